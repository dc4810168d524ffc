"""Back ends: the contract that holds for all of them, and what each promises beyond it."""
