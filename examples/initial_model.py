"""The initial model of a task: `python examples/initial_model.py FILE` writes an ordinary safetensors file."""

import sys

import torch
from safetensors.torch import save_file
from training_site import model

torch.manual_seed(1)
save_file(model().state_dict(), sys.argv[1])
