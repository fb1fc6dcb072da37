"""What the demo shows while it works, and the verdict in the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from quorate.demo.claims import Claim, Verdict
from quorate.plain_text import Shown, lines
from quorate.terminal import print_shown


class Stage:
    """Prints what happens, with a progress bar on a terminal."""

    def __init__(self, *, steps: int) -> None:
        self.console = Console(highlight=False)
        self._verdict = Verdict()
        self._began = time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._bar = self._progress.add_task("starting", total=steps)

    @contextmanager
    def curtain(self) -> Iterator[None]:
        """Show the progress bar meanwhile."""
        with self._progress:
            yield

    def scene(self, title: str) -> None:
        """Begin a part."""
        self._progress.update(self._bar, description=title, advance=1)
        self.console.print(f"\n[bold]{escape(title)}[/bold]")

    def say(self, text: str) -> None:
        """Report something that happened."""
        self.console.print(f"  [dim]{self.seconds:5.1f} s[/dim]  {escape(text)}", soft_wrap=True)

    def show(self, part: Shown) -> None:
        """Show a table or tree, as every command does: plain ASCII where there is no terminal."""
        if self.console.is_terminal:
            print_shown([part])
            return
        for line in lines([part]):
            self.console.print(line, markup=False, soft_wrap=True)

    def check(self, claim: Claim, *, held: bool, detail: str) -> None:
        """Note what a claim came to; the demo's exit code depends on all of them."""
        self._verdict.show(claim, held=held, detail=detail)

    def verdict(self) -> bool:
        """Print all claims, and return whether all held."""
        self.console.print("\n[bold]What held[/bold]")
        for claim, shown in self._verdict.rows():
            mark = "[green]yes[/green]" if shown.held else "[red]NO [/red]"
            self.console.print(f"  {mark}  {escape(claim)}", soft_wrap=True)
            self.console.print(f"       [dim]{escape(shown.detail)}[/dim]", soft_wrap=True)
        return self._verdict.holds

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began
