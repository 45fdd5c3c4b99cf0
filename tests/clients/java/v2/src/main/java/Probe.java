import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import software.amazon.awssdk.services.sts.StsClient;

/** Calls GetCallerIdentity for each line on stdin, with the default credentials of the AWS SDK for Java 2. */
public class Probe {
    public static void main(String[] arguments) throws IOException {
        StsClient sts = StsClient.builder()
            .endpointOverride(URI.create(System.getenv("PROBE_ENDPOINT")))
            .overrideConfiguration(configuration -> configuration.retryStrategy(retry -> retry.maxAttempts(1)))
            .build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            try {
                sts.getCallerIdentity();
                System.out.println("ok");
            } catch (RuntimeException failure) {
                System.out.println("error " + failure.toString().replaceAll("\\s+", " "));
            }
        }
    }
}
