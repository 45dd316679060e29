"""The rows of Table 3 of He et al. (2025) below the full model: without some of its parts, with an adversary.

An adversary follows the usual training: the encoder learns to make cells' codes look like those of lines. It
plays on the code that the classifier reads, and the loss of the schedule stays: the encoder must fool the
adversary *and* go on reconstructing.
"""

import math
from collections.abc import Callable
from itertools import chain

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from bulk2sc import train
from bulk2sc.errors import Bulk2scError
from bulk2sc.models.autoencoder import SharedAutoencoder, Task

CRITIC_STEPS = 5  # for each step of the encoder
GRADIENT_PENALTY = 10.0
LR_SHARE = 0.1  # RMSprop's learning rate as a share of Adam's in the training before
# No early stopping: an adversary's loss does not tell how well the encoder does.
EPOCHS = 50

Pair = tuple[Tensor, Tensor]  # rows of lines, rows of cells


def new_critic(n_latent: int) -> nn.Sequential:
    """Return an adversary, hidden widths (64, 32, 16) as in CODE-AE-ADV: one number a code, no sigmoid."""
    widths = [nn.Linear(n_latent, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU()]
    return nn.Sequential(*widths, nn.Linear(16, 1), nn.Flatten(0))


def gradient_penalty(critic: nn.Module, bulk: Tensor, cells: Tensor) -> Tensor:
    """Return the mean of ``(|gradient| - 1)^2`` at random points between paired codes (n, n_latent).

    The third term of the critic's loss in Gulrajani et al. (2017), without its factor.
    """
    share = torch.rand(len(bulk), 1, device=bulk.device)
    between = (share * bulk + (1 - share) * cells).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()


def critic_loss(critic: nn.Module, bulk: Tensor, cells: Tensor) -> dict[str, Tensor]:
    """Return what a critic of codes minimises: minus its Wasserstein distance, plus the gradient penalty."""
    distance = critic(bulk).mean() - critic(cells).mean()
    penalty = gradient_penalty(critic, bulk, cells)
    total = GRADIENT_PENALTY * penalty - distance
    return {"critic": total, "distance": distance, "gradient penalty": penalty}


def against_critic(task: Task, n_latent: int, lr: float) -> Callable[[Pair], dict[str, Tensor]]:
    """Return one round of the WGAN with gradient penalty of CODE-AE-ADV: 5 critic steps, an encoder step.

    The round takes a batch of rows and returns its loss terms: ``total`` is the schedule's loss plus
    ``alignment``, minus the critic's mean value of the cells; those of the critic are of its last step.
    """
    critic = new_critic(n_latent).to(task.x.device)
    of_critic = torch.optim.RMSprop(critic.parameters(), lr=lr)
    of_encoder = torch.optim.RMSprop(task.module.parameters(), lr=lr)
    others = chain.from_iterable(iter(task.batches, None))  # the batches of epoch after epoch
    loss, codes_of = fast_parts(task)

    def wgan_gp_step(pair: Pair) -> dict[str, Tensor]:
        for _ in range(CRITIC_STEPS):
            with torch.no_grad():
                codes = codes_of(next(others))
            played = critic_loss(critic, *codes)
            step(of_critic, played["critic"])
        terms, (_, cells) = loss(pair), codes_of(pair)
        alignment = -critic(cells).mean()
        total = terms.pop("total") + alignment
        step(of_encoder, total)
        return {"total": total, "alignment": alignment} | terms | played

    return wgan_gp_step


def against_domain_classifier(task: Task, n_latent: int, lr: float) -> Callable[[Pair], dict[str, Tensor]]:
    """Return one round against a classifier that tells lines from cells (Ganin et al. 2016).

    One step trains both: the classifier lowers its cross-entropy ``domain``, the encoder raises it.
    """
    classifier = new_critic(n_latent).to(task.x.device)
    optimiser = torch.optim.RMSprop([*task.module.parameters(), *classifier.parameters()], lr=lr)
    loss, codes_of = fast_parts(task)

    def reversal_step(pair: Pair) -> dict[str, Tensor]:
        terms, (bulk, cells) = loss(pair), codes_of(pair)
        codes = torch.cat([bulk, cells])
        logit = classifier(2 * codes.detach() - codes)  # the codes, and their gradients with the sign changed
        is_bulk = (torch.arange(len(logit), device=logit.device) < len(bulk)).float()
        domain = F.binary_cross_entropy_with_logits(logit, is_bulk)
        total = terms.pop("total") + domain
        step(optimiser, total)
        return {"total": total, "domain": domain} | terms

    return reversal_step


def fast_parts(task: Task) -> tuple[Callable[[Pair], dict[str, Tensor]], Callable[[Pair], Pair]]:
    """Return the loss and the codes of a batch, lines and cells apart, in bf16 products where there are any.

    The adversary itself plays in float32: it differentiates its own gradients.
    """

    def codes_of(pair: Pair) -> Pair:
        codes = task.encoder(task.x[torch.cat(pair)]).float()
        return codes.split([len(rows) for rows in pair])

    if not train.takes_bf16():
        return task.loss, codes_of
    autocast = torch.autocast("cpu", torch.bfloat16)
    return autocast(task.loss), autocast(codes_of)


def step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down the gradient of `loss`."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def train_adversarial(
    task: Task, one_round: Callable[[Pair], dict[str, Tensor]], *, epochs: int, lr: float, progress: str
) -> pd.DataFrame:
    """Play round after round, leave the modules of `task` in eval mode, and return the loss curves.

    Parameters
    ----------
    task
        What was trained before, and on what.
    one_round
        Of `against_critic` or `against_domain_classifier`.
    epochs
        Passes over the task's batches, a round for each.
    lr, progress
        The learning rate and the name that errors give; the progress bar has the name too.

    Returns
    -------
    History with the columns epoch, split, term and value, as of `train.minimise`.

    Raises
    ------
    Bulk2scError
        If the loss becomes NaN or infinite.
    """
    rows = []
    for epoch in tqdm(range(1, epochs + 1), desc=progress, unit="epoch", leave=False, disable=None):
        task.module.train()
        rounds = [{term: v.item() for term, v in one_round(pair).items()} for pair in task.batches()]
        task.module.eval()
        with torch.no_grad():
            validation = {term: value.item() for term, value in task.validation_loss().items()}
        means = pd.DataFrame(rounds).mean().to_dict()
        for split, terms in (("train", means), ("validation", validation)):
            rows += [(epoch, split, term, value) for term, value in terms.items()]
        if not all(map(math.isfinite, (*(one["total"] for one in rounds), *validation.values()))):
            raise Bulk2scError(
                f"{progress}: the loss was {means['total']:g} in epoch {epoch}; lower the learning rate lr "
                f"(now {lr:g}) or look for extreme values in layers['scaled']"
            )
    return pd.DataFrame(rows, columns=["epoch", "split", "term", "value"])


# ------------------------------------------------------------------------------------------ rows of Table 3


class BaseShareAutoencoder(SharedAutoencoder):
    """Shared and private encoders with a dense decoder: the full model without its decoder of pathways."""

    name = "base share AE"
    sparse = False


class BaseAutoencoder(BaseShareAutoencoder):
    """One encoder and one dense decoder for lines and cells together: nothing transfers but what they share.

    "A naive autoencoder without transfer learning", as the paper has it, could as well be one autoencoder for
    each domain; but then no classifier trained on the code of lines could read that of cells.
    """

    name = "base AE"
    private = False


class Adversarial(SharedAutoencoder):
    """A method whose encoder plays against `adversary` once the schedule's training has ended.

    In the schedule ``"pretrain-then-classify"`` that is before the classifier is trained, in ``"joint"`` the
    classifier goes on learning. The stage lasts 50 epochs, or `max_epochs` where that is less; RMSprop's
    learning rate is a tenth of `lr`.
    """

    adversary = staticmethod(against_critic)

    def _adapt(self, task: Task) -> pd.DataFrame:
        one_round = self.adversary(task, len(self.mask), LR_SHARE * self.lr)
        asked = {"epochs": min(EPOCHS, self.max_epochs), "lr": self.lr}
        history = train_adversarial(task, one_round, progress=f"{self.name} adversarial stage", **asked)
        return history.assign(stage="adversarial")


class AdversarialAutoencoder(Adversarial, BaseAutoencoder):
    """The base autoencoder against a critic, in the manner of CODE-AE-ADV (He et al. 2022)."""

    name = "adv AE"


class AdversarialShareAutoencoder(Adversarial, BaseShareAutoencoder):
    """Shared and private encoders; the shared code plays against a critic, as in CODE-AE-ADV."""

    name = "adv share AE"


class DomainClassifierShareAutoencoder(Adversarial, BaseShareAutoencoder):
    """Shared and private encoders; the shared code plays against a domain classifier. Not in the paper."""

    name = "domain-classifier share AE"
    adversary = staticmethod(against_domain_classifier)
