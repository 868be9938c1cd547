"""LoRA and its relatives: small files that change a model's weights, merged in and taken out again."""
