// What Java's HTTP client sees of refusals: java Refusals.java 1|2 CA PLAN.
// PLAN has a line for each case: times, status, size, pause, text, method, URL, then name and
// value of each header, between tabs; they mean what they mean to refusals.py. Prints a JSON
// list of what was not as planned.

import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.SubmissionPublisher;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Refusals {
    public static void main(String[] arguments) throws Exception {
        HttpClient.Version version =
            arguments[0].equals("2") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
        SSLContext context = trusting(arguments[1]);
        List<String> failures = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[2]))) {
            String[] test = line.split("\t");
            byte[] body = test[4].getBytes();
            int length = body.length;
            body = Arrays.copyOf(body, Integer.parseInt(test[2]));
            Arrays.fill(body, length, body.length, (byte) ' ');
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(test[6]))
                .timeout(Duration.ofMinutes(2))
                .method(test[5], publisher(body, Integer.parseInt(test[3])));
            for (int i = 7; i + 1 < test.length; i += 2) {
                request.header(test[i], test[i + 1]);
            }
            for (int attempt = 0; attempt < Integer.parseInt(test[0]); attempt++) {
                String seen;
                try {
                    HttpClient client = HttpClient.newBuilder().version(version).sslContext(context).build();
                    HttpResponse<String> response =
                        client.send(request.build(), HttpResponse.BodyHandlers.ofString());
                    seen = response.version() == version ? "" + response.statusCode() : "" + response.version();
                } catch (Exception error) {
                    seen = error.toString();
                }
                if (!seen.equals(test[1])) {
                    failures.add("\"" + (line.substring(0, Math.min(80, line.length())) + " -> " + seen)
                        .replaceAll("[^ -~]|[\"\\\\]", " ") + "\"");
                }
            }
        }
        System.out.println("[" + String.join(",", failures) + "]");
        // Threads of clients that are still there keep no program running.
        System.exit(0);
    }

    private static HttpRequest.BodyPublisher publisher(byte[] body, int pause) {
        if (pause == 0) {
            return HttpRequest.BodyPublishers.ofByteArray(body);
        }
        int middle = body.length / 2;
        // On a thread of its own: what was given is on its way while it waits.
        return HttpRequest.BodyPublishers.fromPublisher(subscriber -> {
            SubmissionPublisher<ByteBuffer> halves = new SubmissionPublisher<>();
            halves.subscribe(subscriber);
            new Thread(() -> {
                halves.submit(ByteBuffer.wrap(body, 0, middle));
                try {
                    Thread.sleep(pause);
                } catch (InterruptedException error) {
                    throw new IllegalStateException(error);
                }
                halves.submit(ByteBuffer.wrap(body, middle, body.length - middle));
                halves.close();
            }).start();
        }, body.length);
    }

    private static SSLContext trusting(String file) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream stream = Files.newInputStream(Path.of(file))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(stream));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }
}
