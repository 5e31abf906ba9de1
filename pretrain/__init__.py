"""How `ockham-nano`, the base model in the package, is made from text: ``scripts/pretrain``. Not part of the wheel."""
