import com.amazonaws.ClientConfiguration;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.securitytoken.AWSSecurityTokenService;
import com.amazonaws.services.securitytoken.AWSSecurityTokenServiceClientBuilder;
import com.amazonaws.services.securitytoken.model.GetCallerIdentityRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** Calls GetCallerIdentity for each line on stdin, with the default credentials of the AWS SDK for Java 1. */
public class Probe {
    public static void main(String[] arguments) throws IOException {
        AWSSecurityTokenService sts = AWSSecurityTokenServiceClientBuilder.standard()
            .withEndpointConfiguration(new EndpointConfiguration(System.getenv("PROBE_ENDPOINT"), System.getenv("AWS_REGION")))
            .withClientConfiguration(new ClientConfiguration().withMaxErrorRetry(0))
            .build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            try {
                sts.getCallerIdentity(new GetCallerIdentityRequest());
                System.out.println("ok");
            } catch (RuntimeException failure) {
                System.out.println("error " + failure.toString().replaceAll("\\s+", " "));
            }
        }
    }
}
