"""The probes by name; only names and sentences, nothing is loaded."""

PROBES = {
    "gd_alignment": (
        "probes.behaviour.gd_alignment",
        "GDAlignment",
        "predictions and sensitivities beside gradient descent's",
    ),
    "token_alignment": (
        "probes.language.token_alignment",
        "TokenAlignment",
        "next-token distributions beside uniform, unigram, bigram and the best",
    ),
    "weight_products": ("probes.weights.weight_products", "WeightProducts", "A and V beside the construction's"),
    "interpolation": ("probes.weights.interpolation", "Interpolation", "the loss halfway to the constructed weights"),
    "out_of_distribution": ("probes.behaviour.out_of_distribution", "OutOfDistribution", "losses on shifted prompts"),
    "curves": ("probes.behaviour.curves", "Curves", "predictions along the input, beside a learner's and the truth"),
    "curvature": (
        "probes.activations.curvature",
        "Curvature",
        "GD++'s gamma and step size of every layer, and the spectra of S",
    ),
    "head_sum": ("probes.weights.head_sum", "HeadSum", "what the heads' weights add up to: sum of eta_h A_h"),
    "copying_sensitivity": (
        "probes.activations.copying_sensitivity",
        "CopyingSensitivity",
        "what the first layer copies between neighbouring tokens",
    ),
    "layer_matching": (
        "probes.behaviour.layer_matching",
        "LayerMatching",
        "which step of which learner each layer is nearest to",
    ),
    "linear_decoding": (
        "probes.activations.linear_decoding",
        "LinearDecoding",
        "X^T y and learners' weights decoded from every layer",
    ),
    "order_sensitivity": (
        "probes.behaviour.order_sensitivity",
        "OrderSensitivity",
        "how predictions spread when the context is permuted",
    ),
    "induction_scores": (
        "probes.language.induction_scores",
        "InductionScores",
        "previous-token, prefix-matching and copying heads, and losses by position",
    ),
    "composition": ("probes.language.composition", "Composition", "which head reads what which earlier head writes"),
    "induction_as_gradient_step": (
        "probes.language.induction_as_gradient_step",
        "InductionAsGradientStep",
        "the logits that heads write beside one gradient step's on the context's pairs",
    ),
    "head_attribution": (
        "probes.attribution.probe",
        "HeadAttribution",
        "which heads carry a behaviour: direct writes, ablations, paths, the smallest circuit",
    ),
    "rollout": ("probes.behaviour.rollout", "Rollout", "one layer applied again and again"),
    "identify": (
        "probes.behaviour.identify",
        "Identify",
        "which learner, how many steps, by what margin, or none of them",
    ),
}
