"""ggml-sched: a scheduler for ggml, attached to programs that are already built. The command is in command.py."""
