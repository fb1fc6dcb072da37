"""One module a noun: what a command takes and how its result looks. The work is done in the modules above."""
