import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Asks for the status of an object for each line on stdin, by S3A with its default credentials. */
public class Probe {
    public static void main(String[] arguments) throws IOException {
        Configuration configuration = new Configuration();
        configuration.set("fs.s3a.endpoint", System.getenv("PROBE_ENDPOINT"));
        configuration.set("fs.s3a.endpoint.region", System.getenv("AWS_REGION"));
        configuration.set("fs.s3a.path.style.access", "true");
        configuration.set("fs.s3a.attempts.maximum", "1");
        configuration.set("fs.s3a.retry.limit", "1");
        String providers = System.getenv("S3A_CREDENTIALS_PROVIDER");
        if (providers != null) {
            configuration.set("fs.s3a.aws.credentials.provider", providers);
        }
        Path object = new Path("s3a://data/hello.txt");
        FileSystem files = null;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            try {
                if (files == null) {
                    files = object.getFileSystem(configuration);
                }
                files.getFileStatus(object);
                System.out.println("ok");
            } catch (IOException | RuntimeException failure) {
                System.out.println("error " + failure.toString().replaceAll("\\s+", " "));
            }
        }
    }
}
