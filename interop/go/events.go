// Sends the events by net/http and by three Kafka clients, as Go's serializers write them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/shopspring/decimal"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

var (
	at     = time.Date(2025, 10, 8, 15, 30, 22, 456789012, time.UTC)
	broker = os.Getenv("KAFKA")
	topic  = os.Getenv("TOPIC")
)

type event struct {
	ID        string         `json:"id,omitempty"`
	EventID   string         `json:"eventId,omitempty"`
	UserID    string         `json:"userId"`
	Type      string         `json:"type"`
	Family    string         `json:"family,omitempty"`
	Payload   map[string]any `json:"payload"`
	Timestamp any            `json:"timestamp"`
}

func events() map[string]event {
	ms := at.UnixMilli()
	return map[string]event{
		"plain": {Payload: map[string]any{"path": "/start"}, Timestamp: ms},
		"time":  {Payload: map[string]any{}, Timestamp: at},
		"money": {Family: "product", Timestamp: ms, Payload: map[string]any{
			"productId": "p", "productName": "n", "price": decimal.RequireFromString("129.99"), "quantity": float64(2)}},
		"seq":   {Payload: map[string]any{"seq": float64(1)}, Timestamp: ms},
		"null":  {Payload: nil, Timestamp: ms},
		"empty": {Payload: map[string]any{}, Timestamp: ms},
		"text":  {Payload: map[string]any{"text": "Grüße, 世界 👋 </a> \u2028 \"\\"}, Timestamp: ms},
	}
}

func byJSON(e event) []byte { return must(json.Marshal(e)) }

// byProtobuf has the event in a Struct, as who has no message of his own for it: every number is a double there.
func byProtobuf(e event) []byte {
	members := map[string]any{}
	check(json.Unmarshal(byJSON(e), &members))
	return must(protojson.Marshal(must(structpb.NewStruct(members))))
}

func main() {
	info, _ := debug.ReadBuildInfo()
	versions := map[string]string{"net-http": runtime.Version(), "encoding-json": runtime.Version()}
	names := map[string]string{"github.com/segmentio/kafka-go": "kafka-go", "github.com/twmb/franz-go": "franz-go",
		"github.com/IBM/sarama": "sarama", "google.golang.org/protobuf": "protojson"}
	for _, module := range info.Deps {
		if name := names[module.Path]; name != "" {
			versions[name] = module.Version
		}
	}
	for name, version := range versions {
		fmt.Printf("version\t%s\t%s\n", name, version)
	}
	serializers := map[string]func(event) []byte{"encoding-json": byJSON, "protojson": byProtobuf}
	for serializer, serialize := range serializers {
		sendAll("net-http", serializer, "http", serialize, post)
		sendAll("franz-go", serializer, "kafka", serialize, byFranz)
	}
	sendAll("kafka-go", "encoding-json", "kafka", byJSON, bySegment)
	sendAll("sarama", "encoding-json", "kafka", byJSON, bySarama)
}

func sendAll(client, serializer, via string, serialize func(event) []byte, send func(string, []byte) string) {
	for label, e := range events() {
		name := strings.Join([]string{client, serializer, via, label}, "/")
		e.UserID, e.Type = name, "interop"
		if via == "http" {
			e.EventID = name
		} else {
			e.ID = name
		}
		text := serialize(e)
		fmt.Printf("sent\t%s\t%s\t%s\n", name, text, send(name, text))
	}
}

func post(_ string, text []byte) string {
	answer := must(http.Post(os.Getenv("DOOR")+"/events", "application/json", bytes.NewReader(text)))
	defer answer.Body.Close()
	return fmt.Sprintf("%d %s", answer.StatusCode, must(io.ReadAll(answer.Body)))
}

var franz = must(kgo.NewClient(kgo.SeedBrokers(broker)))

func byFranz(key string, value []byte) string {
	record := &kgo.Record{Topic: topic, Key: []byte(key), Value: value}
	check(franz.ProduceSync(context.Background(), record).FirstErr())
	return ""
}

var segment = kafka.Writer{Addr: kafka.TCP(broker), Topic: topic, BatchTimeout: time.Millisecond}

func bySegment(key string, value []byte) string {
	check(segment.WriteMessages(context.Background(), kafka.Message{Key: []byte(key), Value: value}))
	return ""
}

var saramas = must(sarama.NewSyncProducer([]string{broker}, saramaConfig()))

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	return config
}

func bySarama(key string, value []byte) string {
	message := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value)}
	_, _, err := saramas.SendMessage(message)
	check(err)
	return ""
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
