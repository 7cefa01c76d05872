import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonCloudEventData;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventSerializer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends CloudEvents by the Java SDK, binary and structured, by HTTP and by Kafka. */
public class CloudEvents {
    static final OffsetDateTime AT = OffsetDateTime.parse("2025-10-08T15:30:22.456789012Z");

    static Map<String, CloudEvent> events(String source) {
        Map<String, String> data = new LinkedHashMap<>();
        data.put("plain", "{\"path\": \"/start\"}");
        data.put("grün 100%", "{\"path\": \"/start\"}");
        data.put("text", "{\"text\": \"Grüße, 世界 👋 </a> \u2028 \\\"\\\\\"}");
        data.put("null", null);
        data.put("seq", "{}");
        Map<String, CloudEvent> made = new LinkedHashMap<>();
        data.forEach((label, text) -> {
            CloudEventBuilder event = CloudEventBuilder.v1()
                    .withId(label).withSource(URI.create(source)).withType("interop").withTime(AT)
                    .withSubject(source + "/" + label).withExtension("partitionkey", source + "/" + label);
            if (text != null) event.withData("application/json", text.getBytes(StandardCharsets.UTF_8));
            if (label.equals("seq")) event.withExtension("sequence", "1");
            made.put(label, event.build());
        });
        return made;
    }

    public static void main(String[] arguments) throws Exception {
        String version = CloudEvent.class.getProtectionDomain().getCodeSource().getLocation().getPath();
        tell("version", "cloudevents-java", version.replaceAll(".*-([0-9.]+)\\.jar", "$1"));
        for (Encoding encoding : new Encoding[] {Encoding.BINARY, Encoding.STRUCTURED}) {
            String form = encoding.name().toLowerCase();
            // not by HTTP: the SDK does not escape it, and java.net.http sends a question mark for what is not ASCII
            for (var each : events("java.net.http/cloudevents-java-" + form + "/http").values()) {
                if (encoding == Encoding.BINARY && each.getId().equals("grün 100%")) continue;
                tell("sent", each.getSubject(), show(each), post(each, encoding));
            }
            Properties settings = new Properties();
            settings.put("bootstrap.servers", System.getenv("KAFKA"));
            settings.put("value.serializer", CloudEventSerializer.class);
            settings.put("key.serializer", StringSerializer.class);
            settings.put(CloudEventSerializer.ENCODING_CONFIG, encoding);
            settings.put(CloudEventSerializer.EVENT_FORMAT_CONFIG, JsonFormat.CONTENT_TYPE);
            try (var producer = new KafkaProducer<String, CloudEvent>(settings)) {
                for (var each : events("kafka-clients/cloudevents-java-" + form + "/kafka").values()) {
                    producer.send(new ProducerRecord<>(System.getenv("TOPIC"), each.getSubject(), each)).get();
                    tell("sent", each.getSubject(), show(each), "");
                }
            }
        }
    }

    static final HttpClient HTTP = HttpClient.newHttpClient();

    static String post(CloudEvent event, Encoding encoding) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(System.getenv("DOOR") + "/events"));
        request.POST(HttpRequest.BodyPublishers.noBody());
        var writer = HttpMessageFactory.createWriter(request::header, body -> {
            if (body != null) request.POST(HttpRequest.BodyPublishers.ofByteArray(body));
        });
        if (encoding == Encoding.BINARY) writer.writeBinary(event);
        else writer.writeStructured(event, JsonFormat.CONTENT_TYPE);
        HttpResponse<String> answer = HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
        return answer.statusCode() + " " + answer.body();
    }

    static String show(CloudEvent event) {
        return new String(new JsonFormat().serialize(event), StandardCharsets.UTF_8);
    }

    static void tell(String... parts) {
        byte[] line = (String.join("\t", parts) + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(line, 0, line.length);
        System.out.flush();
    }
}
