// Produces the same thousand keys by each client and partitioner: the value says which.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	broker = os.Getenv("KAFKA")
	topic  = os.Getenv("TOPIC")
)

func main() {
	var keys [][]byte
	for number := range 1000 {
		keys = append(keys, fmt.Appendf(nil, "u-%d", number))
	}
	bySegment("kafka-go, default", nil, keys)
	bySegment("kafka-go, Hash", &kafka.Hash{}, keys)
	bySegment("kafka-go, Murmur2Balancer", kafka.Murmur2Balancer{}, keys)
	bySarama("sarama, default", sarama.NewHashPartitioner, keys)
	bySarama("sarama, NewMurmur2Partitioner", sarama.NewMurmur2Partitioner, keys)
	byFranz("franz-go, default", keys)
}

func bySegment(name string, balancer kafka.Balancer, keys [][]byte) {
	writer := kafka.Writer{Addr: kafka.TCP(broker), Topic: topic, Balancer: balancer}
	var messages []kafka.Message
	for _, key := range keys {
		messages = append(messages, kafka.Message{Key: key, Value: []byte(name)})
	}
	check(writer.WriteMessages(context.Background(), messages...))
	check(writer.Close())
}

func bySarama(name string, partitioner sarama.PartitionerConstructor, keys [][]byte) {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = partitioner
	producer, err := sarama.NewSyncProducer([]string{broker}, config)
	check(err)
	var messages []*sarama.ProducerMessage
	for _, key := range keys {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: sarama.ByteEncoder(key), Value: sarama.StringEncoder(name)})
	}
	check(producer.SendMessages(messages))
	check(producer.Close())
}

func byFranz(name string, keys [][]byte) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	check(err)
	for _, key := range keys {
		client.Produce(context.Background(), &kgo.Record{Topic: topic, Key: key, Value: []byte(name)}, func(_ *kgo.Record, err error) { check(err) })
	}
	check(client.Flush(context.Background()))
	client.Close()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
