// Sends CloudEvents by the Go SDK, binary and structured, by HTTP and by Kafka.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/protocol"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

var at = time.Date(2025, 10, 8, 15, 30, 22, 456789012, time.UTC)

func events(source string) map[string]cloudevents.Event {
	made := map[string]cloudevents.Event{}
	for _, label := range []string{"plain", "text", "null", "seq", "grün 100%"} {
		event := cloudevents.NewEvent()
		event.SetID(label)
		event.SetSource(source)
		event.SetType("interop")
		event.SetTime(at)
		event.SetSubject(source + "/" + label)
		made[label] = event
	}
	set(made, "plain", map[string]any{"path": "/start"})
	set(made, "grün 100%", map[string]any{"path": "/start"})
	set(made, "text", map[string]any{"text": "Grüße, 世界 👋 </a> \u2028 \"\\"})
	set(made, "seq", map[string]any{})
	numbered := made["seq"]
	numbered.SetExtension("sequence", "1")
	made["seq"] = numbered
	return made
}

func set(made map[string]cloudevents.Event, label string, data any) {
	event := made[label]
	check(event.SetData(cloudevents.ApplicationJSON, data))
	made[label] = event
}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/cloudevents/sdk-go/v2" {
			fmt.Printf("version\tcloudevents-go\t%s\nversion\tnet-http\t%s\nversion\tsarama\t%s\n", module.Version, info.GoVersion, saramaVersion(info))
		}
	}
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	kafka := must(kafka_sarama.NewSender([]string{os.Getenv("KAFKA")}, config, os.Getenv("TOPIC")))
	http := must(cloudevents.NewHTTP(cloudevents.WithTarget(os.Getenv("DOOR") + "/events")))
	clients := map[string]cloudevents.Client{"http": must(cloudevents.NewClient(http)), "kafka": must(cloudevents.NewClient(kafka))}
	for via, client := range clients {
		sendAll(client, map[string]string{"http": "net-http", "kafka": "sarama"}[via], via, "binary", binding.WithForceBinary)
		sendAll(client, map[string]string{"http": "net-http", "kafka": "sarama"}[via], via, "structured", binding.WithForceStructured)
	}
	check(kafka.Close(context.Background()))
}

func sendAll(client cloudevents.Client, carrier, via, form string, force func(context.Context) context.Context) {
	source := strings.Join([]string{carrier, "cloudevents-go-" + form, via}, "/")
	for label, event := range events(source) {
		context := kafka_sarama.WithMessageKey(force(context.Background()), sarama.StringEncoder(event.Subject()))
		result := client.Send(context, event)
		fmt.Printf("sent\t%s\t%s\t%s\n", source+"/"+label, must(event.MarshalJSON()), answer(result))
	}
}

func answer(result protocol.Result) string {
	var http *cehttp.Result
	if cloudevents.ResultAs(result, &http) {
		_, body, _ := strings.Cut(result.Error(), ": ")
		return fmt.Sprintf("%d %s", http.StatusCode, body)
	}
	if cloudevents.IsUndelivered(result) {
		return "0 " + result.Error()
	}
	return ""
}

func saramaVersion(info *debug.BuildInfo) string {
	for _, module := range info.Deps {
		if module.Path == "github.com/IBM/sarama" {
			return module.Version
		}
	}
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
