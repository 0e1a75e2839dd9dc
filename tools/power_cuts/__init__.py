"""The parts of tools/power-cuts."""
