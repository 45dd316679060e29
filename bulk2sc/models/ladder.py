"""The rungs below the full model in Table 3 of He et al. (2025): the model without some of its parts.

All have the settings, schedules and classifier of `AutoencoderModel`, and a code as wide as the full model's.
"""

import numpy as np
import pandas as pd

from bulk2sc.models import adversarial
from bulk2sc.models.networks import PlainAutoencoder, ShareAutoencoder
from bulk2sc.models.transfer import AutoencoderModel, Task


class BaseAutoencoder(AutoencoderModel):
    """One encoder and one dense decoder for lines and cells together: nothing transfers but what they share.

    "A naive autoencoder without transfer learning", as the paper has it, could as well be one autoencoder for
    each domain; but then no classifier trained on the code of lines could read that of cells.
    """

    name = "base AE"

    def _network(self, mask: np.ndarray) -> PlainAutoencoder:
        n_latent, n_genes = mask.shape
        return PlainAutoencoder(n_genes, n_latent, **self._shape())


class BaseShareAutoencoder(AutoencoderModel):
    """Shared and private encoders with a dense decoder: the full model without its decoder of pathways."""

    name = "base share AE"

    def _network(self, mask: np.ndarray) -> ShareAutoencoder:
        n_latent, n_genes = mask.shape
        return ShareAutoencoder(n_genes, n_latent, **self._shape())


class Adversarial(AutoencoderModel):
    """A method whose encoder plays against `adversary` once the schedule's training has ended.

    In the schedule ``"pretrain-then-classify"`` that is before the classifier is trained, in ``"joint"`` the
    classifier goes on learning. The stage lasts 50 epochs, or `max_epochs` where that is less; RMSprop's
    learning rate is a tenth of `lr`.
    """

    adversary = staticmethod(adversarial.against_critic)

    def _adapt(self, task: Task) -> pd.DataFrame:
        lr, epochs = adversarial.LR_SHARE * self.lr, min(adversarial.EPOCHS, self.max_epochs)
        play = self.adversary(task, len(self.mask), lr)
        progress = f"{self.name} adversarial stage"
        history = adversarial.compete(task, play, epochs=epochs, lr=self.lr, progress=progress)
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
    adversary = staticmethod(adversarial.against_domain_classifier)
