import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;

/** Prints the access key ID that the default chain of the AWS SDK for Java 1 returns. */
public class Main {
    public static void main(String[] arguments) {
        try {
            System.out.println(new DefaultAWSCredentialsProviderChain().getCredentials().getAWSAccessKeyId());
        } catch (RuntimeException error) {
            System.err.println(error.getMessage());
        }
        System.exit(0);
    }
}
