"""The event families of this app; imported at start-up (`processing.apps`)."""

from revenue.family import REVENUE as REVENUE
