"""What every language model needs: prompts, templates, constraints, the engine, the formats of its files."""
