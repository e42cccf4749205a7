// What the TLS of Java makes of certificates: Certificates.java ROOT server|client CHAIN.
// It prints why and exits with 3 where it refuses them.

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

public class Certificates {
    public static void main(String[] arguments) throws Exception {
        X509TrustManager manager = trusting(read(arguments[0])[0]);
        X509Certificate[] chain = read(arguments[2]);
        try {
            if (arguments[1].equals("server")) {
                manager.checkServerTrusted(chain, "ECDHE_ECDSA");
            } else {
                manager.checkClientTrusted(chain, "EC");
            }
        } catch (Exception refusal) {
            for (Throwable cause = refusal; cause != null; cause = cause.getCause()) {
                System.out.println("refused: " + cause);
            }
            System.exit(3);
        }
        System.out.println("accepted");
    }

    private static X509Certificate[] read(String path) throws Exception {
        try (InputStream file = Files.newInputStream(Path.of(path))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(file)
                .toArray(new X509Certificate[0]);
        }
    }

    /** The trust manager that every client has by default, with one authority. */
    private static X509TrustManager trusting(X509Certificate root) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        store.setCertificateEntry("root", root);
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return (X509TrustManager) factory.getTrustManagers()[0];
    }
}
