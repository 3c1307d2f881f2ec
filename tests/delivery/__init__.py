"""How the vendors' SDKs deliver when things go wrong, steered and judged through the control surface alone."""
