import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Sends the events by java.net.http and by the Kafka client, as Java's serializers write them. */
public class Events {
    interface Serialize {
        String write(Map<String, Object> event) throws Exception;
    }

    interface Send {
        String send(String name, String text) throws Exception;
    }

    static final Instant AT = Instant.parse("2025-10-08T15:30:22.456789012Z");

    static Map<String, Object> members(Object... pairs) {
        Map<String, Object> made = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) made.put((String) pairs[i], pairs[i + 1]);
        return made;
    }

    static Map<String, Map<String, Object>> events() {
        long ms = AT.toEpochMilli();
        Map<String, Object> bought =
                members("productId", "p", "productName", "n", "price", new BigDecimal("129.99"), "quantity", 2.0);
        Map<String, Map<String, Object>> made = new LinkedHashMap<>();
        made.put("plain", members("payload", members("path", "/start"), "timestamp", ms));
        made.put("time", members("payload", members(), "timestamp", AT));
        made.put("money", members("family", "product", "payload", bought, "timestamp", ms));
        made.put("seq", members("payload", members("seq", 1.0), "timestamp", ms));
        made.put("null", members("payload", null, "timestamp", ms));
        made.put("empty", members("payload", members(), "timestamp", ms));
        made.put("text", members("payload", members("text", "Grüße, 世界 👋 </a> \u2028 \"\\"), "timestamp", ms));
        return made;
    }

    public static void main(String[] arguments) throws Exception {
        var jackson2 = new com.fasterxml.jackson.databind.ObjectMapper()
                .registerModule(new com.fasterxml.jackson.datatype.jsr310.JavaTimeModule());
        var jackson3 = new tools.jackson.databind.ObjectMapper();
        // Gson has nothing for java.time: an adapter that writes toString() is what its guide shows
        Gson gson = new GsonBuilder()
                .serializeNulls()
                .registerTypeAdapter(Instant.class, (com.google.gson.JsonSerializer<Instant>)
                        (at, type, context) -> new com.google.gson.JsonPrimitive(at.toString()))
                .create();
        Map<String, Serialize> serializers = new LinkedHashMap<>();
        serializers.put("jackson-2", jackson2::writeValueAsString);
        serializers.put("jackson-3", jackson3::writeValueAsString);
        serializers.put("gson", gson::toJson);
        tell("version", "jackson-2", jackson2.version().toString());
        tell("version", "jackson-3", jackson3.version().toString());
        tell("version", "gson", jar(Gson.class));
        tell("version", "java.net.http", System.getProperty("java.version"));
        tell("version", "kafka-clients", AppInfoParser.getVersion());

        for (var each : serializers.entrySet()) sendAll("java.net.http", each.getKey(), "http", each.getValue(), Events::post);
        Properties settings = new Properties();
        settings.put("bootstrap.servers", System.getenv("KAFKA"));
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            Send send = (name, text) -> {
                producer.send(new ProducerRecord<>(System.getenv("TOPIC"), name, text)).get();
                return "";
            };
            for (var each : serializers.entrySet()) sendAll("kafka-clients", each.getKey(), "kafka", each.getValue(), send);
        }
    }

    static void sendAll(String client, String serializer, String via, Serialize serialize, Send send) throws Exception {
        for (var each : events().entrySet()) {
            String name = String.join("/", client, serializer, via, each.getKey());
            Map<String, Object> event = members(via.equals("http") ? "eventId" : "id", name, "userId", name, "type", "interop");
            event.putAll(each.getValue());
            String text = serialize.write(event);
            tell("sent", name, text, send.send(name, text));
        }
    }

    static final HttpClient HTTP = HttpClient.newHttpClient();

    static String post(String name, String text) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("DOOR") + "/events"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(text))
                .build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        return answer.statusCode() + " " + answer.body();
    }

    static String jar(Class<?> of) {
        String path = of.getProtectionDomain().getCodeSource().getLocation().getPath();
        return path.replaceAll(".*-([0-9.]+)\\.jar", "$1");
    }

    static void tell(String... parts) {
        byte[] line = (String.join("\t", parts) + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(line, 0, line.length);
        System.out.flush();
    }
}
