"""Programs with a planted fault and their healthy twins, trained for real, and how often the diagnosis is right."""
