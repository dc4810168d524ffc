"""Back ends: the contract that holds for all, and what each promises beyond it."""
