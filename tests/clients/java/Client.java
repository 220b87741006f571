import java.io.BufferedReader;
import java.io.InputStreamReader;
import software.amazon.awssdk.services.sts.StsClient;

/** The AWS SDK for Java, version 2, as its documentation has it: the default chain finds credentials and region. */
class Client {
    /** Makes one client and says `ready`; then one signed call for each line of the input, and a line for its outcome. */
    public static void main(String[] none) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        try (var sts = StsClient.create()) {
            System.out.println("ready");
            while (lines.readLine() != null) {
                try {
                    var region = sts.serviceClientConfiguration().region();
                    System.out.println(sts.getCallerIdentity().arn() + " in " + region);
                } catch (Exception error) {
                    System.out.println(error.toString().replace('\n', ' '));
                }
            }
        }
    }
}
