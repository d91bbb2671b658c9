"""The probes by name; only names and sentences, nothing is loaded."""

PROBES = {
    "gd_alignment": ("probes.gd_alignment", "GDAlignment", "predictions and sensitivities beside gradient descent's"),
    "weight_products": ("probes.weight_products", "WeightProducts", "A and V beside the construction's"),
    "interpolation": ("probes.interpolation", "Interpolation", "the loss halfway to the constructed weights"),
    "out_of_distribution": ("probes.out_of_distribution", "OutOfDistribution", "losses on shifted prompts"),
    "rollout": ("probes.rollout", "Rollout", "one layer applied again and again"),
}
