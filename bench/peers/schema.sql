-- What a consumer of the comparison fills: one table, two indexes. Ours has a row of the inbox instead.
CREATE TABLE stored (
  id text COLLATE "C" PRIMARY KEY,
  user_id text COLLATE "C" NOT NULL,
  type text NOT NULL,
  payload json NOT NULL,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON stored (user_id, received_at DESC);
