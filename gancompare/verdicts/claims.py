"""The claims: statements of papers and of course projects, one row each, and the function that answers it."""

from gancompare.arms import method_of, name
from gancompare.runs.layout import CLOCKS
from gancompare.verdicts import measure_critic as critic
from gancompare.verdicts import measure_scores as scores
from gancompare.verdicts import measure_stability as stability
from gancompare.verdicts import measure_sweeps as sweeps
from gancompare.verdicts.comparisons import LABELS
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.statement import Claim
from gancompare.verdicts.words import Finding, missing

ARJOVSKY, GULRAJANI = "Arjovsky et al. 2017", "Gulrajani et al. 2017"
FEDUS, LUCIC, MIYATO = "Fedus et al. 2018", "Lucic et al. 2018", "Miyato et al. 2018"
PROJECTS = "course projects"
STEPS, IMAGES, SECONDS = CLOCKS


def _nearer(ours: str, theirs: str, clock: str, who: str, *, matched: bool = False) -> Claim:
    """``ours`` has the lower FD at equal ``clock``."""
    text = f"{name(ours)} comes nearer to the real images than {name(theirs)} at equal {LABELS[clock]}"
    text += ", with equally many critic steps" * matched
    return Claim(f"{ours} nearer than {theirs}, {clock}", who, text, clock, (ours, theirs), scores.nearer)


def _nearer_on_all_clocks(ours: str, theirs: str, who: str) -> list[Claim]:
    """On the paper's clock it is the paper's statement, on the others that of those who carry it over."""
    return [_nearer(ours, theirs, clock, who if clock == STEPS else PROJECTS) for clock in CLOCKS]


def _matched(ours: str, theirs: str, who: str) -> list[Claim]:
    """At equal critic steps equal generator steps are equal images, so there are two clocks."""
    return [_nearer(ours, theirs, clock, who, matched=True) for clock in (STEPS, SECONDS)]


def _more_steps_help(five: str, one: str, who: str) -> list[Claim]:
    text = "Five critic steps bring {} nearer to the real images than one at equal {}"
    texts = {clock: text.format(name(method_of(one)), LABELS[clock]) for clock in (STEPS, SECONDS)}
    key = f"{five} nearer than {one}"
    return [Claim(f"{key}, {clock}", who, text, clock, (five, one), scores.nearer) for clock, text in texts.items()]


def _covers(arm: str, metric: str, who: str) -> Claim:
    label = scores.SCALES[metric].label
    more = f"makes more {label.removeprefix('number of ')}" if "number" in label else f"has a higher {label}"
    text = f"{name(arm)} {more} than GAN at comparable precision"
    return Claim(f"{arm} covers more, {metric}", who, text, "", (arm, "gan"), scores.covers_more, metric)


def _follows(arm: str, of_what: str) -> Claim:
    text = f"The Wasserstein estimate of {name(arm)} falls with FD within a run ({of_what})"
    key, measure = f"estimate of {arm}, {of_what}", critic.estimate_follows_fd
    return Claim(key, f"{ARJOVSKY}, §4.2", text, "", (arm,), measure, of_what)


def _follows_closer(arm: str) -> Claim:
    text = f"The Wasserstein estimate of {name(arm)} follows FD more closely than either loss of a GAN does"
    measure = critic.estimate_follows_closer
    return Claim(f"estimate of {arm}, against GAN losses", f"{ARJOVSKY}, §4.2", text, "", (arm, "gan"), measure)


def _vanishes(arm: str) -> Claim:
    text = f"The Wasserstein estimate of {name(arm)} goes to zero in runs that had flattened: "
    text += f"less than {critic.GONE:.0%} of its maximum is left"
    return Claim(f"estimate of {arm} vanishes", PROJECTS, text, "", (arm,), critic.estimate_vanishes)


def _costlier(dear: str, cheap: str) -> Claim:
    who = f"{GULRAJANI}, §5.3" if cheap == "wgan" else PROJECTS
    text = f"A generator step of {name(dear)} costs more seconds than one of {name(cheap)}"
    return Claim(f"{dear} costs more than {cheap}", who, text, "", (dear, cheap), scores.costlier_steps)


def _stabler(arm: str) -> list[Claim]:
    who = f"{GULRAJANI}, §5.1" if arm == "wgan-gp" else f"{ARJOVSKY}, §4.3"
    statements = {
        "spread": (f"Final values of {name(arm)} spread less over seeds than those of GAN", stability.less_spread),
        "rebound": (f"Runs of {name(arm)} fall back less from their best than those of GAN", stability.falls_back_less),
        "failures": (f"Fewer runs of {name(arm)} fail than of GAN", stability.fails_less),
    }
    return [Claim(f"{arm}, {key}", who, text, "", (arm, "gan"), measure) for key, (text, measure) in statements.items()]


def _matters(field: str, arm: str, who: str = PROJECTS) -> Claim:
    text = f"The {field.replace('_', ' ').replace('n critic', 'number of critic steps')} of {name(arm)} matters: "
    text += f"FD changes by more than {sweeps.MARKED:g}×"
    return Claim(f"{field} of {arm}", who, text, STEPS, (arm,), sweeps.setting_matters, field, sweep=True)


def _spectral(arm: str) -> Claim:
    text = f"Spectral normalisation makes runs of {name(arm)} fall back less from their best"
    measure = sweeps.falls_back_less_with
    return Claim(f"spectral norm of {arm}", f"{MIYATO}, §4", text, "", (arm,), measure, "spectral", sweep=True)


def _not_in_a_study(evidence: Evidence, claim: Claim, level: float) -> Finding:
    return missing("needs classifiers trained with and without generated images: notebook 05_augmentation")


CLAIMS: tuple[Claim, ...] = (
    *_nearer_on_all_clocks("wgan-gp", "wgan", f"{GULRAJANI}, §5.3"),
    *_nearer_on_all_clocks("wgan", "gan", PROJECTS),
    *_nearer_on_all_clocks("wgan-gp", "gan", PROJECTS),
    *_matched("wgan-gp-1", "wgan-1", f"{GULRAJANI}, §5.3"),
    *_matched("wgan", "gan-5", PROJECTS),
    *_matched("wgan-1", "gan", PROJECTS),
    *_matched("wgan-gp", "gan-5", PROJECTS),
    *_matched("wgan-gp-1", "gan", PROJECTS),
    *_matched("gan-gp", "gan-5", f"{FEDUS}, §4"),
    *_matched("gan-gp-1", "gan", f"{FEDUS}, §4"),
    Claim(
        "most of the gain",
        f"{FEDUS}, §4",
        "The penalty alone, on a GAN, brings more than half of what WGAN-GP gains over a GAN at equal generator steps",
        STEPS,
        ("gan-gp", "gan-5", "wgan-gp"),
        scores.most_of_the_gain,
    ),
    *_matched("wgan-gp", "gan-gp", f"{PROJECTS}; questioned by {FEDUS}"),
    *_matched("wgan-gp-1", "gan-gp-1", f"{PROJECTS}; questioned by {FEDUS}"),
    *_more_steps_help("gan-5", "gan", PROJECTS),
    *_more_steps_help("gan-gp", "gan-gp-1", PROJECTS),
    *_more_steps_help("wgan", "wgan-1", f"{ARJOVSKY}, §3"),
    *_more_steps_help("wgan-gp", "wgan-gp-1", f"{GULRAJANI}, §4"),
    *_stabler("wgan-gp"),
    *_stabler("wgan"),
    *(_covers(arm, metric, f"{ARJOVSKY}, §4.3") for arm in ("wgan", "wgan-gp") for metric in scores.SCALES),
    *(_follows(arm, of_what) for arm in ("wgan", "wgan-gp") for of_what in ("levels", "changes")),
    *map(_follows_closer, ("wgan", "wgan-gp")),
    *map(_vanishes, ("wgan", "wgan-gp")),
    Claim(
        "weights at the clip",
        f"{GULRAJANI}, §3",
        "Clipping drives the critic's weights to ±c: more of them end there than if they were spread evenly",
        "",
        (f"wgan:clip={critic.INSIDE * critic.WEIGHT_SCALE:g}",),
        critic.weights_at_clip,
    ),
    Claim(
        "gradients over depth",
        f"{GULRAJANI}, §3.2",
        "Clipping makes gradients explode or vanish over the critic's depth, the penalty does not",
        "",
        ("wgan", "wgan-gp"),
        critic.gradients_range_wider,
        flags="--critic-norm none --extra-layers 2",
    ),
    *map(_spectral, ("gan", "wgan-gp")),
    *(_matters("n_critic", arm) for arm in ("gan", "wgan", "wgan-gp")),
    _matters("clip", "wgan", f"{GULRAJANI}, §3"),
    _matters("penalty_weight", "wgan-gp"),
    *(_matters("learning_rate", arm, LUCIC) for arm in ("gan", "wgan", "wgan-gp")),
    _costlier("wgan-gp", "wgan"),
    _costlier("wgan", "gan"),
    _costlier("wgan-gp", "gan"),
    Claim(
        "augmentation",
        PROJECTS,
        "Adding generated images to its training images raises a classifier's accuracy by 2 to 5 %",
        "",
        (),
        _not_in_a_study,
    ),
)
