"""Scores against ideal values, closed forms and independent implementations; controls with known shares of copies."""

import inspect
import json
import math
import warnings

import numpy as np
import pytest
import torch
from scipy import linalg

from gancompare.scoring import metrics

FEATURES = 8


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def normal(seed, n, d=FEATURES, shift=0.0, scale=1.0):
    return shift + scale * np.random.default_rng(seed).standard_normal((n, d))


def pictures(seed, n, side=16, channels=1):
    """Blurred noise: smooth, as images are, so that structure survives a coarser scale."""
    noise = torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    return ((smooth - 0.2) / 0.6 * 255).clamp(0, 255).to(torch.uint8)


def one_hot(labels, classes):
    return np.eye(classes)[labels]


PAIRED = {  # every metric of real and fake features, as one number
    "fd": metrics.frechet_distance,
    "kid": lambda real, fake: metrics.kid(real, fake).value,
    "precision": lambda real, fake: metrics.precision_recall(real, fake)[0],
    "recall": lambda real, fake: metrics.precision_recall(real, fake)[1],
    "density": lambda real, fake: metrics.density_coverage(real, fake)[0],
    "coverage": lambda real, fake: metrics.density_coverage(real, fake)[1],
}


# ---- properties of all of them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ideal"), [("fd", 0), ("precision", 1), ("recall", 1), ("density", 1), ("coverage", 1)]
)
@pytest.mark.parametrize("offset", [0, 1e4])
def test_identity_gives_the_ideal_value(name, ideal, offset):
    real = normal(0, 200) + offset
    assert PAIRED[name](real, real) == pytest.approx(ideal, abs=1e-9)
    # a copy in another order: what lies on the border of a ball must still count as outside
    assert PAIRED[name](real, real[::-1].copy()) == pytest.approx(ideal, abs=1e-9)


@pytest.mark.parametrize("name", PAIRED)
def test_order_of_images_does_not_matter(name, rng):
    real, fake = normal(0, 150), normal(1, 120, shift=0.3)
    shuffled = PAIRED[name](rng.permutation(real), rng.permutation(fake))
    assert shuffled == pytest.approx(PAIRED[name](real, fake), rel=1e-10)


@pytest.mark.parametrize("name", PAIRED)
def test_chunks_do_not_matter(name, monkeypatch):
    real, fake = normal(0, 150), normal(1, 120, shift=0.3)
    whole = PAIRED[name](real, fake)
    monkeypatch.setattr(metrics, "CHUNK", 7)
    assert PAIRED[name](real, fake) == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize("name", PAIRED)
def test_arrays_and_tensors_of_any_float_type_score_alike(name):
    real, fake = normal(0, 60).astype(np.float32), normal(1, 60).astype(np.float32)
    expected = PAIRED[name](real, fake)
    assert PAIRED[name](torch.from_numpy(real).requires_grad_(), torch.from_numpy(fake)) == expected
    assert PAIRED[name](real.astype(np.float64), fake) == expected


@pytest.mark.parametrize(
    ("name", "sign"), [("fd", 1), ("kid", 1), ("precision", -1), ("density", -1), ("coverage", -1)]
)
def test_more_noise_scores_worse(name, sign):
    real, clean, noise = normal(0, 500), normal(1, 500), normal(2, 500)
    values = [sign * PAIRED[name](real, clean + level * noise) for level in (0, 0.5, 1, 2, 4)]
    assert values == sorted(values)
    assert values[-1] > values[0]


@pytest.mark.parametrize(("name", "sign"), [("fd", 1), ("kid", 1), ("recall", -1), ("coverage", -1)])
def test_dropping_modes_scores_worse(name, sign):
    centres = 6 * np.eye(FEATURES)[:5]  # equally far apart, so that it does not matter which one goes
    real = centres[np.arange(500) % 5] + normal(0, 500)
    values = [sign * PAIRED[name](real, centres[np.arange(500) % modes] + normal(1, 500)) for modes in (5, 4, 3, 2, 1)]
    assert values == sorted(values)
    assert values[-1] > values[0]


# ---- Fréchet distance ------------------------------------------------------------------------------------------------


def test_frechet_distance_of_shifted_and_scaled_gaussians_is_the_closed_form():
    mean, identity = np.linspace(-1, 2, FEATURES), np.eye(FEATURES)
    shifted = metrics.frechet_distance_of_statistics(np.zeros(FEATURES), identity, mean, identity)
    assert shifted == pytest.approx(mean @ mean, rel=1e-14)
    scaled = metrics.frechet_distance_of_statistics(mean, identity, mean, 9 * identity)
    assert scaled == pytest.approx(FEATURES * (3 - 1) ** 2, rel=1e-14)


@pytest.mark.parametrize("n", [3, 5, 500])  # the first two have singular covariances
def test_frechet_distance_is_symmetric_and_follows_rotations(n):
    real, fake = normal(0, n), normal(1, n, scale=2) + 1
    rotation = np.linalg.qr(normal(2, FEATURES))[0]
    expected = metrics.frechet_distance(real, fake)
    assert metrics.frechet_distance(fake, real) == pytest.approx(expected, rel=1e-13)
    assert metrics.frechet_distance(real @ rotation, fake @ rotation) == pytest.approx(expected, rel=1e-12)
    assert metrics.frechet_distance(real, real) == pytest.approx(0, abs=1e-12)


def frechet_by_square_root(real, fake):
    means, covariances = (real.mean(0), fake.mean(0)), (np.cov(real.T), np.cov(fake.T))
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    return float(np.sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root.real))


def frechet_by_eigenvalues(real, fake):
    s1, s2 = torch.cov(torch.tensor(real.T)), torch.cov(torch.tensor(fake.T))
    shared = torch.linalg.eigvals(s1 @ s2).real.clip(0).sqrt().sum()
    return float(np.sum((real.mean(0) - fake.mean(0)) ** 2) + s1.trace() + s2.trace() - 2 * shared)


def frechet_by_torchmetrics(real, fake):
    image = pytest.importorskip("torchmetrics.image.fid", reason="no oracle: torchmetrics is not installed")
    metric = image.FrechetInceptionDistance(feature=ready(real.shape[1]))
    metric.update(torch.tensor(real), real=True)
    metric.update(torch.tensor(fake), real=False)
    return metric.compute().item()


def frechet_by_pytorch_fid(real, fake):
    score = pytest.importorskip("pytorch_fid.fid_score", reason="no oracle: pytorch-fid is not installed")
    if "disp" not in inspect.signature(linalg.sqrtm).parameters:
        pytest.skip("no oracle: pytorch-fid passes sqrtm a flag that this scipy no longer has")
    return score.calculate_frechet_distance(real.mean(0), np.cov(real.T), fake.mean(0), np.cov(fake.T))


def frechet_by_torch_fidelity(real, fake):
    fid = pytest.importorskip("torch_fidelity.metric_fid", reason="no oracle: torch-fidelity is not installed")
    statistics = [fid.fid_features_to_statistics(torch.tensor(x)) for x in (real, fake)]
    return fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


def ready(width):
    """Features for torchmetrics as they are; without num_features it would push a dummy image through."""
    module = torch.nn.Identity()
    module.num_features = width
    return module


@pytest.mark.parametrize(
    "oracle",
    [
        frechet_by_square_root,
        frechet_by_eigenvalues,
        frechet_by_torchmetrics,
        frechet_by_pytorch_fid,
        frechet_by_torch_fidelity,
    ],
)
@pytest.mark.parametrize("n", [1000, 40])
def test_frechet_distance_agrees_with_other_implementations(oracle, n, record_property):
    real = normal(0, n, 64) @ normal(3, 64, 64) + 5
    fake = normal(1, n, 64) @ normal(4, 64, 64)
    ours, theirs = metrics.frechet_distance(real, fake), oracle(real, fake)
    record_property("relative_difference", float(abs(ours / theirs - 1)))
    # 40 rows of 64 columns: the square roots of eigenvalues that should be 0 but are 1e-16 cost half of the digits
    assert ours == pytest.approx(theirs, rel=1e-12 if n > 64 else 1e-6)


def test_frechet_infinity_removes_the_bias_and_knows_its_error(rng):
    shift, draws = 0.25, 20
    closed_form = FEATURES * shift**2
    plain, fitted = [], []
    for i in range(draws):
        real, fake = normal(i, 400), normal(1000 + i, 400, shift=shift)
        plain.append(metrics.frechet_distance(real, fake))
        fitted.append(metrics.frechet_infinity(real, fake, rng))
    values, errors = np.transpose(fitted)
    spread = values.std(ddof=1) / math.sqrt(draws)
    assert abs(values.mean() - closed_form) < 3 * spread < 0.2 * closed_form
    assert np.mean(plain) - closed_form > 5 * spread
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.5  # 20 draws know a spread to 16 %


def test_frechet_infinity_of_equal_distributions_is_zero_within_its_error(rng):
    values, errors = np.transpose(
        [metrics.frechet_infinity(normal(i, 256), normal(1000 + i, 256), rng) for i in range(20)]
    )
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(20)
    assert (np.abs(values) < 2 * errors).mean() >= 0.9
    assert values.min() < 0  # not clipped


def test_frechet_infinity_repeats_with_its_generator():
    real, fake = normal(0, 100), normal(1, 90)
    first, again, other = (metrics.frechet_infinity(real, fake, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_real_floor_is_the_bias_at_equal_n(rng):
    real = normal(0, 2000)
    assert metrics.real_floor(real, 1000, rng) < metrics.real_floor(real, 100, rng)
    # for equal standard Gaussians, to first order in 1/n: 2d/n from the means, |S1 − S2|²/4 from the covariances
    expected = (2 * FEATURES + FEATURES * (FEATURES + 1) / 2) / 100
    floors = [metrics.real_floor(real, 100, rng) for _ in range(50)]
    assert np.mean(floors) == pytest.approx(expected, rel=0.15)
    with pytest.raises(ValueError, match="2000 rows, but at least 2002"):
        metrics.real_floor(real, 1001, rng)


# ---- KID -------------------------------------------------------------------------------------------------------------


def test_kid_is_unbiased_and_keeps_negatives():
    values, errors = np.transpose([metrics.kid(normal(i, 60), normal(1000 + i, 60)) for i in range(300)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(300)
    assert 0.3 < (values < 0).mean() < 0.8
    assert errors.mean() > values.std(ddof=1)  # cautious under equality, as its docstring says


def test_kid_of_unequal_distributions_has_the_stated_error():
    values, errors = np.transpose([metrics.kid(normal(i, 200), normal(1000 + i, 200, shift=0.5)) for i in range(60)])
    # E k(x, x') + E k(y, y') − 2 E k(x, y) for k = (1 + x·y/d)³, by drawing
    draws = normal(5, 200_000), normal(6, 200_000), normal(7, 200_000, shift=0.5), normal(8, 200_000, shift=0.5)
    kernel = [((a * b).sum(1) / FEATURES + 1) ** 3 for a, b in ((draws[0], draws[1]), (draws[2], draws[3]))]
    cross = [((a * b).sum(1) / FEATURES + 1) ** 3 for a, b in ((draws[0], draws[2]), (draws[1], draws[3]))]
    expected = kernel[0].mean() + kernel[1].mean() - cross[0].mean() - cross[1].mean()
    assert values.mean() == pytest.approx(expected, rel=0.05)
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.5


def test_error_of_kid_is_that_of_disjoint_blocks():
    real, fake = normal(0, 200), normal(1, 150, shift=0.5)
    blocks = [metrics.kid(real[block::10], fake[block::10]).value for block in range(10)]
    assert metrics.kid(real, fake).standard_error == pytest.approx(np.std(blocks, ddof=1) / math.sqrt(10))


def test_kid_agrees_with_other_implementations(record_property):
    kid = pytest.importorskip("torchmetrics.image.kid", reason="no oracle: torchmetrics is not installed")
    fidelity = pytest.importorskip("torch_fidelity.metric_kid", reason="no oracle: torch-fidelity is not installed")
    real, fake = normal(0, 300, 32), normal(1, 300, 32, shift=0.2)
    with warnings.catch_warnings(action="ignore"):
        metric = kid.KernelInceptionDistance(feature=ready(32), subsets=1, subset_size=300)
    metric.update(torch.tensor(real), real=True)
    metric.update(torch.tensor(fake), real=False)
    theirs = metric.compute()[0].item()
    options = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    fidelity_value = fidelity.kernel_mmd(real, fake, kid_kernel="poly", **options)
    ours = metrics.kid(real, fake).value
    record_property("relative_difference", float(max(abs(ours / theirs - 1), abs(ours / fidelity_value - 1))))
    assert ours == pytest.approx(theirs, rel=1e-10)
    assert ours == pytest.approx(fidelity_value, rel=1e-10)


# ---- precision, recall, density, coverage ----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "k"), [(200, 200, 3), (150, 220, 5), (30, 40, 1)])
@pytest.mark.parametrize("collapsed", [False, True])
def test_neighbourhood_metrics_agree_with_prdc(n, m, k, collapsed):
    prdc = pytest.importorskip("prdc", reason="no oracle: prdc is not installed")
    real, fake = normal(0, n), normal(1, m, shift=0.4, scale=0.8)
    if collapsed:  # repeated images, some of them real: zero radii and distances
        fake[: m // 2], fake[m // 2 : m // 2 + 5] = fake[0], real[:5]
    theirs = prdc.compute_prdc(real, fake, nearest_k=k)
    ours = (*metrics.precision_recall(real, fake, k), *metrics.density_coverage(real, fake, k))
    assert ours == pytest.approx([theirs[name] for name in ("precision", "recall", "density", "coverage")], rel=1e-12)


def test_repeated_images_far_from_the_origin_lie_at_distance_zero_and_have_empty_balls():
    repeated = np.repeat(normal(0, 30, 128, scale=7), 10, axis=0) + 100
    others = np.concatenate([normal(1, 7, 128), repeated])  # the same rows elsewhere in the matrix round otherwise
    assert metrics.precision_recall(repeated, others) == (0, pytest.approx(0))
    assert metrics.density_coverage(repeated, others) == (0, 0)


def test_precision_and_recall_tell_quality_from_variety():
    real = normal(0, 400)
    narrow, wide = normal(1, 400, scale=0.3), normal(1, 400, scale=3)
    assert metrics.precision_recall(real, narrow)[0] > 0.95 > 0.1 > metrics.precision_recall(real, narrow)[1]
    assert metrics.precision_recall(real, wide)[0] < 0.1 < 0.95 < metrics.precision_recall(real, wide)[1]


def test_points_on_a_line_by_hand():
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [2.0], [9.0]])
    # radii to the first neighbour: real 1, 1, 2; fake 1.5, 1.5, 7. Open balls: 2 is on the border of that around 1
    assert metrics.precision_recall(real, fake, k=1) == pytest.approx((2 / 3, 1))
    assert metrics.density_coverage(real, fake, k=1) == pytest.approx((3 / 3, 1))


# ---- with a classifier -----------------------------------------------------------------------------------------------


def test_inception_score_runs_from_one_to_the_number_of_classes(rng):
    classes = 5
    labels = np.arange(1000) % classes
    assert metrics.inception_score(one_hot(labels, classes), 2, rng).value == pytest.approx(classes, rel=0.01)
    assert metrics.inception_score(np.full((1000, classes), 1 / classes), 10, rng) == pytest.approx((1, 0))
    assert metrics.inception_score(one_hot(0 * labels, classes), 10, rng) == pytest.approx((1, 0))  # one mode, certain
    for seed in range(5):
        probabilities = np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), 400)
        assert 1 <= metrics.inception_score(probabilities, 10, rng).value <= classes


def test_inception_score_does_not_depend_on_the_order_that_images_come_in(rng):
    in_order = one_hot(np.repeat(np.arange(5), 200), 5)  # unshuffled, each split would hold one class and score 1
    assert metrics.inception_score(in_order, 5, rng).value > 4.8


def test_inception_score_agrees_with_torch_fidelity(rng):
    isc = pytest.importorskip("torch_fidelity.metric_isc", reason="no oracle: torch-fidelity is not installed")
    logits = torch.tensor(normal(0, 1000, 10, scale=3))
    # one order for both: theirs unshuffled, of rows that ours has shuffled
    order = np.random.default_rng(3).permutation(1000)
    theirs = isc.isc_features_to_metric(logits[order], splits=10, shuffle=False)
    ours = metrics.inception_score(logits.softmax(1), 10, np.random.default_rng(3))
    assert ours.value == pytest.approx(theirs["inception_score_mean"], rel=1e-12)
    assert ours.standard_error == pytest.approx(theirs["inception_score_std"] / 3, rel=1e-9)  # std/√(splits − 1)


def test_class_report_by_hand():
    report = metrics.class_report(np.array([0, 0, 0, 1]), 4, real_histogram=[2, 2, 2, 2])
    expected = 0.75 * math.log(3) + 0.25 * math.log(1)
    assert report["class_histogram"] == [3, 1, 0, 0]
    assert report["modes"] == report["modes_tenth"] == 2
    assert report["kl_uniform"] == pytest.approx(expected)
    assert report["kl_real"] == pytest.approx(expected)
    assert report["kl_uniform_floor"] == pytest.approx(3 / 8)
    assert report["kl_real_floor"] == pytest.approx(3 / 8 + 3 / 16)
    assert metrics.class_report(one_hot([0, 0, 0, 1], 4), 4)["class_histogram"] == [3, 1, 0, 0]


def test_class_report_of_the_real_classes_is_zero_and_worsens_as_modes_drop():
    labels = np.repeat(np.arange(4), [70, 50, 30, 10])
    report = metrics.class_report(labels, 5, np.bincount(labels, minlength=5))
    assert report["kl_real"] == 0
    reports = [metrics.class_report(np.arange(60) % modes, 5) for modes in (5, 4, 3, 2, 1)]
    assert [r["modes"] for r in reports] == [5, 4, 3, 2, 1]
    assert [r["kl_uniform"] for r in reports] == pytest.approx([math.log(5 / m) for m in (5, 4, 3, 2, 1)])


def test_class_report_stays_finite_and_tells_rare_from_present():
    report = metrics.class_report(np.repeat([0, 1], [995, 5]), 2, real_histogram=[100, 0])
    assert 0 < report["kl_real"] < 1
    assert (report["modes"], report["modes_tenth"]) == (2, 2)  # no real share to fall short of
    assert metrics.class_report(np.repeat([0, 1], [995, 5]), 2)["modes_tenth"] == 1


def test_noise_floor_is_what_sampling_alone_leaves(rng):
    reports = [metrics.class_report(rng.integers(0, 10, 500), 10) for _ in range(300)]
    assert np.mean([r["kl_uniform"] for r in reports]) == pytest.approx(reports[0]["kl_uniform_floor"], rel=0.1)


# ---- diversity -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8, 11, 21, 28, 64, 128, 176])
def test_ms_ssim_is_one_for_equal_images_and_low_for_varied_ones_at_any_size(side, rng):
    images = pictures(0, 6, side)
    assert metrics.ms_ssim_pairs(images[:1].repeat(4, 1, 1, 1), 3, rng) == pytest.approx((1, 0), abs=1e-5)
    varied = metrics.ms_ssim_pairs(images, 6, rng)
    assert 0 <= varied.value < 0.7
    assert varied.standard_error > 0


def test_ms_ssim_rises_as_images_become_alike(rng):
    base, varied = pictures(0, 1, 28, 3).float(), pictures(1, 60, 28, 3).float()
    values = [
        metrics.ms_ssim_pairs((base * share + varied * (1 - share)).to(torch.uint8), 50, np.random.default_rng(0)).value
        for share in (0, 0.3, 0.6, 0.9)
    ]
    assert values == sorted(values)


def test_ms_ssim_agrees_with_the_published_settings_where_they_fit(rng):
    functional = pytest.importorskip("torchmetrics.functional.image", reason="no oracle: torchmetrics is not installed")
    images = pictures(0, 2, 176)
    expected = functional.multiscale_structural_similarity_index_measure(
        images[:1] / 255, images[1:] / 255, data_range=1.0
    )
    assert metrics.ms_ssim_pairs(images, 3, rng).value == pytest.approx(
        expected.item(), abs=1e-4
    )  # float32, either order


def test_lpips_says_why_it_is_missing_and_downloads_nothing(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *a, **k: pytest.fail("downloaded"))
    value, reason = metrics.lpips_diversity(pictures(0, 4), 2, rng)
    assert value is None
    assert "torch.hub.get_dir()/checkpoints" in reason
    assert "alexnet" in reason


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_measures_with_weights_that_are_there(tmp_path, rng, monkeypatch, channels):
    torchvision = pytest.importorskip("torchvision", reason="no backbone: torchvision is not installed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(weights=None)  # random weights stand in for ImageNet's
    (tmp_path / "checkpoints").mkdir()
    torch.save(network.state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    state = torch.get_rng_state()
    images = pictures(0, 5, 28, channels)
    value, reason = metrics.lpips_diversity(images, 4, rng, net="squeeze")
    same, _ = metrics.lpips_diversity(images[:1].repeat(3, 1, 1, 1), 1, rng, net="squeeze")
    assert reason == ""
    assert value.value > same.value == 0
    assert torch.equal(torch.get_rng_state(), state)  # a score during training must not change the training


# ---- memorisation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1024, 4])
def test_nearest_neighbours_finds_copies_and_rates_each_pair(chunk, monkeypatch):
    monkeypatch.setattr(metrics, "CHUNK", chunk)
    train = pictures(0, 40, 12)
    fake = torch.cat([train[[7, 3]], pictures(1, 8, 12)])
    found = metrics.nearest_neighbours(fake, train, k=3)
    assert found["index"][:2, 0].tolist() == [7, 3]
    assert found["distance"][:2, 0].tolist() == [0, 0]
    assert found["psnr"][:2, 0].tolist() == [math.inf, math.inf]
    assert found["ssim"][:2, 0].tolist() == pytest.approx([1, 1])
    difference = fake.double()[:, None] - train.double()
    brute = difference.flatten(2).norm(dim=2)
    torch.testing.assert_close(found["distance"], brute.topk(3, largest=False).values)
    squared_error = difference.square().flatten(2).mean(2)[5, found["index"][5, 1]]
    assert found["psnr"][5, 1].item() == pytest.approx(20 * math.log10(255) - 10 * math.log10(squared_error), rel=1e-5)
    assert bool((found["ssim"][2:] < 0.9).all())


def test_nearest_neighbours_by_features():
    train, fake = pictures(0, 5), pictures(1, 2)
    features = torch.eye(5)
    found = metrics.nearest_neighbours(fake, train, 1, features[[4, 2]] + 0.01, features)
    assert found["index"].flatten().tolist() == [4, 2]


def kinds_of_fakes(seed=0, n=400):
    train, held_out, fresh = normal(seed, 1500), normal(seed + 1, 400), normal(seed + 2, n)
    return train, held_out, fresh


def test_a_generator_that_replays_training_images_is_flagged_and_one_that_replays_held_out_ones_is_not():
    train, held_out, fresh = kinds_of_fakes()
    replayed = metrics.copy_score(train[:400], train, held_out)
    assert replayed["flagged"]
    assert replayed["score"] == pytest.approx(1)
    for innocent in (held_out, fresh, normal(9, 400, scale=0.3), normal(9, 400, shift=8), held_out[:1].repeat(50, 0)):
        result = metrics.copy_score(innocent, train, held_out)
        assert not result["flagged"]
        assert abs(result["score"]) < 0.03


@pytest.mark.parametrize("held_out_size", [400, 1500, 3000])
@pytest.mark.parametrize("rest", ["fresh", "poor"])
def test_score_is_the_share_of_copies_whatever_the_set_sizes_and_the_other_fakes(held_out_size, rest):
    train, _, fresh = kinds_of_fakes()
    held_out = normal(50, held_out_size)
    if rest == "poor":
        fresh = normal(3, 400, shift=5)
    scores, flags = [], []
    for share in (0, 0.05, 0.1, 0.25, 0.5, 1):
        copies = int(share * 400)
        result = metrics.copy_score(np.concatenate([train[:copies], fresh[copies:]]), train, held_out)
        scores.append(result["score"])
        flags.append(result["flagged"])
    assert scores == sorted(scores)
    assert scores == pytest.approx([0, 0.05, 0.1, 0.25, 0.5, 1], abs=0.02)
    assert flags == [False, True, True, True, True, True]


def test_near_copies_are_flagged_and_repeats_among_the_real_images_are_no_evidence():
    train, held_out, fresh = kinds_of_fakes()
    assert metrics.copy_score(train[:400] + normal(7, 400, scale=0.05), train, held_out)["score"] > 0.9
    repeated = np.concatenate([held_out, train[:40]])  # a tenth of the held-out images is also in the training set
    result = metrics.copy_score(np.concatenate([fresh, train[:40]]), train, repeated)
    assert not result["flagged"]
    assert metrics.copy_score(train[:400], train, repeated)["flagged"]


def test_an_image_in_both_real_sets_is_no_evidence_and_the_p_value_is_exact():
    train, held_out, _ = kinds_of_fakes()
    shared = np.concatenate([held_out, train[:1]])
    assert not metrics.copy_score(np.repeat(train[:1], 50, axis=0), train, shared)["flagged"]
    # n copies ahead of the first of m held-out images, all orders being equally likely: n! m! / (n + m)!
    for n in (1, 2):
        result = metrics.copy_score(train[:n], train, held_out[:100])
        assert result["p_value"] == pytest.approx(1 / math.comb(100 + n, n), rel=1e-6)


def test_copy_score_raises_few_false_alarms():
    results = [
        metrics.copy_score(fresh[:200], train, held) for train, held, fresh in map(kinds_of_fakes, range(0, 120, 3))
    ]
    assert sum(r["flagged"] for r in results) <= 2  # of 40, at p < 0.001
    assert abs(np.mean([r["score"] for r in results])) < 0.005


def test_copy_score_takes_images():
    train, held_out = pictures(0, 300), pictures(1, 120)
    assert metrics.copy_score(train[:100], train, held_out)["flagged"]
    assert not metrics.copy_score(held_out, train, held_out)["flagged"]
    blurred = torch.nn.functional.avg_pool2d(pictures(2, 100).float(), 5, 1, 2).to(torch.uint8)  # near to everything
    assert not metrics.copy_score(blurred, train, held_out)["flagged"]


# ---- all at once, and what comes in ----------------------------------------------------------------------------------


def test_score_holds_every_cheap_metric_as_plain_json(rng):
    real, fake, classes = normal(0, 200), normal(1, 200), 4
    probabilities = np.random.default_rng(0).dirichlet(np.ones(classes), 200)
    state = torch.get_rng_state()
    scores = metrics.score(real, fake, real_probabilities=probabilities, fake_probabilities=probabilities, rng=rng)
    assert torch.equal(torch.get_rng_state(), state)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    for name in PAIRED:
        assert scores[name] == PAIRED[name](real, fake)
    assert scores["kl_real"] == 0
    assert 1 <= scores["inception_score"] <= classes
    without = metrics.score(real, fake, rng=np.random.default_rng(0))
    assert without == {name: scores[name] for name in without}
    assert "modes" not in without


def test_score_of_few_images_leaves_out_what_it_cannot_know(rng):
    scores = metrics.score(normal(0, 6), normal(1, 6), fake_probabilities=one_hot([0, 1, 2, 3], 4), rng=rng)
    assert scores["fd_infinity"] is scores["fd_infinity_se"] is None
    assert all(np.isfinite(value).all() for value in scores.values() if value is not None)


@pytest.mark.parametrize("value", [0.0, 3.3])
def test_constant_features_have_finite_scores(value, rng):
    constant, varied = np.full((100, FEATURES), value), normal(0, 100)
    for real, fake in ((constant, constant), (constant, varied), (varied, constant)):
        scores = metrics.score(real, fake, rng=rng)
        assert all(np.isfinite(number) for number in scores.values())
    assert metrics.frechet_distance(constant, constant) == pytest.approx(0, abs=1e-12)
    assert metrics.precision_recall(varied, constant)[1] == 0  # a collapsed generator covers nothing


BAD = np.where(np.arange(20)[:, None] == 3, np.nan, normal(0, 20))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rng: metrics.frechet_distance(normal(0, 20), BAD), "fake features: 1 of 20 rows hold NaN .* diverged"),
        (lambda rng: metrics.frechet_distance(normal(0, 20), np.full((20, 8), np.inf)), "20 of 20 rows"),
        (lambda rng: metrics.kid(BAD, normal(0, 20)), "real features: 1 of 20"),
        (lambda rng: metrics.precision_recall(normal(0, 20), BAD), "fake features: 1 of 20"),
        (lambda rng: metrics.density_coverage(normal(0, 20), BAD), "fake features: 1 of 20"),
        (lambda rng: metrics.frechet_distance(normal(0, 1), normal(1, 9)), "real features: 1 rows, .* at least 2"),
        (lambda rng: metrics.frechet_distance(normal(0, 9), normal(1, 0)), "fake features: 0 rows"),
        (
            lambda rng: metrics.frechet_distance(normal(0, 9, 3), normal(1, 9, 4)),
            "3 columns, fake 4: use one extractor",
        ),
        (lambda rng: metrics.frechet_distance(np.zeros(5), normal(1, 9)), "one row per image"),
        (lambda rng: metrics.frechet_distance_of_statistics([0], [[1]], [0, 0], [[1]]), "use one extractor"),
        (
            lambda rng: metrics.frechet_infinity(normal(0, 63), normal(1, 90), rng),
            "needs 64 images for 8 features, not 63",
        ),
        (lambda rng: metrics.kid(normal(0, 3), normal(1, 9)), "at least 4"),
        (lambda rng: metrics.precision_recall(normal(0, 9), normal(1, 3), k=3), "fake features: 3 rows, .* at least 4"),
        (lambda rng: metrics.density_coverage(normal(0, 5), normal(1, 9), k=5), "real features: 5 rows, .* at least 6"),
        (lambda rng: metrics.score(normal(0, 5), normal(1, 9), rng=rng), "at least 6"),
        (lambda rng: metrics.inception_score(normal(0, 20), 2, rng), "softmax of the logits"),
        (lambda rng: metrics.inception_score(one_hot([0, 1, 0], 2), 2, rng), "at least 4"),
        (lambda rng: metrics.inception_score(one_hot([0, 1, 0], 2), 1, rng), "splits is 1: take 2"),
        (lambda rng: metrics.class_report([0, 1, 5], 3), "0 to 5 do not fit 3 classes"),
        (lambda rng: metrics.class_report([0.5, 1], 3), "pass integers"),
        (lambda rng: metrics.class_report(np.zeros(0, int), 3), "pass integers"),
        (lambda rng: metrics.class_report([0, 1], 2, [0, 0]), "real images per class"),
        (lambda rng: metrics.class_report([0, 1], 2, [1, np.nan]), "real images per class"),
        (lambda rng: metrics.ms_ssim_pairs(pictures(0, 1), 2, rng), "at least 2"),
        (lambda rng: metrics.ms_ssim_pairs(pictures(0, 3, side=7), 2, rng), "8 × 8 pixels"),
        (lambda rng: metrics.ms_ssim_pairs(pictures(0, 3), 0, rng), "pairs is 0"),
        (lambda rng: metrics.ms_ssim_pairs(pictures(0, 3) / 255, 2, rng), "pass uint8"),
        (lambda rng: metrics.nearest_neighbours(pictures(0, 3), pictures(1, 3, 12)), "resize one set"),
        (lambda rng: metrics.nearest_neighbours(pictures(0, 3), pictures(1, 3), k=4), "at least 4"),
        (lambda rng: metrics.nearest_neighbours(pictures(0, 3), pictures(1, 3), 1, np.eye(3)), "one set only"),
        (
            lambda rng: metrics.nearest_neighbours(pictures(0, 3), pictures(1, 3), 1, np.eye(3), np.eye(4)[:, :3]),
            "4 feat",
        ),
        (lambda rng: metrics.copy_score(BAD, normal(0, 50), normal(1, 150)), "fake images: 1 of 20"),
        (
            lambda rng: metrics.copy_score(normal(0, 9), normal(0, 50), normal(1, 99)),
            "held-out images: 99 .* at least 100",
        ),
        (lambda rng: metrics.copy_score(normal(0, 9, 3), normal(0, 50), normal(1, 150)), "differ in size"),
        (lambda rng: metrics.copy_score(normal(0, 9), normal(1, 150), normal(1, 150)), "remove duplicates"),
    ],
)
def test_input_that_no_number_describes_is_refused(call, message, rng):
    with pytest.raises(ValueError, match=message):
        call(rng)


def test_a_single_image_has_copies_and_classes_but_no_distribution(rng):
    assert metrics.copy_score(normal(0, 1), normal(0, 50), normal(1, 150))["score"] == pytest.approx(1)
    assert metrics.class_report([2], 3)["modes"] == 1
    assert metrics.nearest_neighbours(pictures(0, 1), pictures(0, 1))["distance"].item() == 0
    with pytest.raises(ValueError, match="at least 2"):
        metrics.frechet_distance(normal(0, 1), normal(1, 1))
