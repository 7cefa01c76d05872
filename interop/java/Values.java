import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.squareup.moshi.Moshi;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.Map;

/** Prints what Jackson, Gson, Moshi and java.time write: value, text. */
public class Values {
    static void show(String name, String text) {
        System.out.println(name + "\t" + text);
    }

    static String jar(Class<?> of) {
        return of.getProtectionDomain().getCodeSource().getLocation().getPath().replaceAll(".*-([0-9.]+)\\.jar", "$1");
    }

    static String quoted(Object value) {
        return "\"" + value + "\"";
    }

    public static void main(String[] args) throws Exception {
        ObjectMapper jackson = new ObjectMapper().registerModule(new JavaTimeModule());
        var jackson3 = new tools.jackson.databind.ObjectMapper();
        ObjectMapper dates = jackson.copy().disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS);
        ObjectMapper zones = dates.copy().enable(SerializationFeature.WRITE_DATES_WITH_ZONE_ID);
        Instant instant = Instant.ofEpochMilli(1759937422456L);
        OffsetDateTime minute = OffsetDateTime.of(2025, 10, 8, 15, 30, 0, 0, ZoneOffset.UTC);
        ZonedDateTime zoned = instant.atZone(ZoneId.of("Europe/Berlin"));

        String versions = "Java %s, Jackson %s and %s, Gson %s, Moshi %s".formatted(
                System.getProperty("java.version"), jackson.version(), jackson3.version(),
                jar(Gson.class), jar(Moshi.class));
        show("versions", versions);
        show("jackson instant", jackson.writeValueAsString(instant));
        show("jackson instant at a full second", jackson.writeValueAsString(Instant.ofEpochSecond(1759937422)));
        show("jackson instant as text", dates.writeValueAsString(Instant.parse("2025-12-31T23:59:59.999999999Z")));
        show("jackson zoned with its zone", zones.writeValueAsString(zoned));
        show("jackson decimal", jackson.writeValueAsString(new BigDecimal("1E+3")));
        show("jackson decimal with digits", jackson.writeValueAsString(Map.of("n", new BigDecimal("9007199254740993.25"))));
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("userId", "u");
        event.put("payload", null);
        show("jackson null", jackson.writeValueAsString(event));
        show("jackson decimal with zeros", jackson.writeValueAsString(new BigDecimal("500.00")));
        show("jackson decimal of three", jackson.writeValueAsString(new BigDecimal("1.234")));
        show("jackson decimal of one", jackson.writeValueAsString(new BigDecimal("7.5")));
        show("jackson date", jackson.writeValueAsString(Date.from(instant)));
        show("jackson local time", jackson.writeValueAsString(minute.toLocalDateTime()));
        show("jackson 3 instant", jackson3.writeValueAsString(instant));
        show("jackson 3 zoned", jackson3.writeValueAsString(zoned));
        show("jackson 3 local time", jackson3.writeValueAsString(minute.toLocalDateTime()));
        show("pattern with X", quoted(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSX").format(zoned)));
        show("OffsetDateTime.toString at a full minute", quoted(minute));
        show("ZonedDateTime.toString", quoted(zoned));
        show("Instant.toString", quoted(Instant.parse("2025-12-31T23:59:59.999999999Z")));
        show("gson double", new Gson().toJson(1759937422456d));
        show("gson map", new Gson().toJson(new Gson().fromJson("{\"quantity\": 2}", Map.class)));
        show("gson null", new GsonBuilder().serializeNulls().create().toJson(event));
        show("moshi double", new Moshi.Builder().build().adapter(Object.class).toJson(1759937422456d));
    }
}
