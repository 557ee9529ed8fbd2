"""How the site is installed, checked and started on one machine. `run` and `machine` need only the standard library."""
