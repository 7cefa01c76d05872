#!/usr/bin/env bash
# CloudEvents in binary mode by the Java SDK 4.0.1 and the JDK's own HTTP client: "grün" and "grön" both arrive as "gr?n".
#
# The SDK hands the attribute over as it is, where the HTTP protocol binding 1.0.2 (3.1.3.2) asks for percent-encoding;
# java.net.http takes the header without a word and writes a question mark for what is not ASCII. So two events can
# arrive with one id, and the second one is a duplicate to whoever receives them. What helps: structured mode.
#
# Seen with cloudevents-http-basic 4.0.1 on OpenJDK 17.0.15.
# Exit status 0: it is still so. Not part of CI: Maven installs from the package index. Needs Java 17 and Maven.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId>
  <artifactId>finding</artifactId>
  <version>0</version>
  <dependencies>
    <dependency>
      <groupId>io.cloudevents</groupId>
      <artifactId>cloudevents-http-basic</artifactId>
      <version>4.0.1</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs >&2

cat > Show.java <<'JAVA'
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.http.HttpMessageFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;

public class Show {
    public static void main(String[] arguments) throws Exception {
        try (var server = new ServerSocket(0, 2, InetAddress.getLoopbackAddress())) {
            for (String id : new String[] {"gr\u00fcn", "gr\u00f6n"}) {
                var request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.getLocalPort()));
                request.version(HttpClient.Version.HTTP_1_1).POST(HttpRequest.BodyPublishers.noBody());
                var event = CloudEventBuilder.v1().withId(id).withSource(URI.create("/s")).withType("t").build();
                HttpMessageFactory.createWriter(request::header, body -> {}).writeBinary(event);
                var answer = HttpClient.newHttpClient().sendAsync(request.build(), BodyHandlers.discarding());
                try (var socket = server.accept()) {
                    byte[] head = new byte[4096];
                    String seen = new String(head, 0, socket.getInputStream().read(head), StandardCharsets.ISO_8859_1);
                    seen.lines().filter(line -> line.startsWith("ce-id")).forEach(System.out::println);
                    socket.getOutputStream().write("HTTP/1.1 204 No Content\r\n\r\n".getBytes());
                    answer.get();
                }
            }
        }
    }
}
JAVA
said=$(java -cp 'libs/*' Show.java)
printf '%s\n' "$said"
[[ $said == 'ce-id: gr?n'$'\n''ce-id: gr?n' ]] || { echo "changed"; exit 1; }
