"""The event families of this app; imported at start-up (`processing.apps`). A new family is one more import here."""

from ingest.families.game_events.family import GAME as GAME
from ingest.families.product_events.family import PRODUCT as PRODUCT
