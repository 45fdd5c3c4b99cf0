import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;

/** Prints the access key ID that the default chain of the AWS SDK for Java 2 returns. */
public class Main {
    public static void main(String[] arguments) {
        try (DefaultCredentialsProvider provider = DefaultCredentialsProvider.builder().build()) {
            System.out.println(provider.resolveCredentials().accessKeyId());
        } catch (RuntimeException error) {
            System.err.println(error.getMessage());
        }
    }
}
