"""Revenue of users: balances, and the ledger whose entries they are the sum of."""
