import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Produces the same thousand keys by Java's client: the value says so. */
public class Keys {
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", System.getenv("KAFKA"));
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < 1000; number++) {
                producer.send(new ProducerRecord<>(System.getenv("TOPIC"), "u-" + number, "kafka-clients (Java), default"));
            }
        }
    }
}
