// Stores a topic's events in Postgres: franz-go, and pgx's COPY.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

const batch = 10_000

// COPY knows no ON CONFLICT: the events go through a table of the session.
const incoming = `CREATE TEMPORARY TABLE incoming
  (id text, user_id text, type text, payload json, occurred_at timestamptz) ON COMMIT DELETE ROWS`

const insert = `INSERT INTO stored (id, user_id, type, payload, occurred_at)
  SELECT * FROM incoming ON CONFLICT (id) DO NOTHING`

var columns = []string{"id", "user_id", "type", "payload", "occurred_at"}

type event struct {
	ID        string          `json:"id"`
	UserID    string          `json:"userId"`
	Type      string          `json:"type"`
	Payload   json.RawMessage `json:"payload"`
	Timestamp int64           `json:"timestamp"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	db, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	must(err)
	_, err = db.Exec(ctx, incoming)
	must(err)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ",")...),
		kgo.ConsumerGroup(os.Getenv("KAFKA_CONSUMER_GROUP")),
		kgo.ConsumeTopics(os.Getenv("KAFKA_EVENTS_TOPIC")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
	)
	must(err)
	defer client.CloseAllowingRebalance()
	for {
		fetches := client.PollRecords(ctx, batch)
		if ctx.Err() != nil {
			return
		}
		must(fetches.Err())
		must(store(ctx, db, fetches.Records()))
		must(client.CommitUncommittedOffsets(ctx))
		client.AllowRebalance()
	}
}

func store(ctx context.Context, db *pgx.Conn, records []*kgo.Record) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"incoming"}, columns, pgx.CopyFromSlice(len(records), func(i int) ([]any, error) {
			var e event
			err := json.Unmarshal(records[i].Value, &e)
			return []any{e.ID, e.UserID, e.Type, e.Payload, time.UnixMilli(e.Timestamp)}, err
		}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, insert)
		return err
	})
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
