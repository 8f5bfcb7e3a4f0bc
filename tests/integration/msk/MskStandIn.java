import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerExtensionsValidatorCallback;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * What Amazon MSK does with a token of its IAM signer, but for the signature, which only AWS can check: it must be a
 * presigned request for `kafka-cluster:Connect` to the endpoint of our region that has not expired. Whoever shows one is
 * the user whose name is the access key. A session lasts as long as the broker's connections.max.reauth.ms says.
 */
public class MskStandIn implements AuthenticateCallbackHandler {
    private static final String REGION = "eu-central-1";
    private static final DateTimeFormatter STAMP = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (callback instanceof OAuthBearerValidatorCallback asked) {
                String wrong = judge(asked);
                if (wrong != null) asked.error(wrong, null, null);
            } else if (callback instanceof OAuthBearerExtensionsValidatorCallback) {
                continue;
            } else {
                throw new UnsupportedCallbackException(callback);
            }
        }
    }

    /** Accepts the token, or says what is wrong with it. */
    private static String judge(OAuthBearerValidatorCallback asked) {
        URI request = URI.create(new String(Base64.getUrlDecoder().decode(asked.tokenValue()), StandardCharsets.UTF_8));
        Map<String, String> query = Stream.of(request.getQuery().split("&"))
            .map(pair -> pair.split("=", 2))
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
        if (!("kafka." + REGION + ".amazonaws.com").equals(request.getHost())) return "the token is for another region";
        if (!"kafka-cluster:Connect".equals(query.get("Action"))) return "the token is for another action";
        if (query.get("X-Amz-Signature") == null) return "the token is not signed";
        String[] scope = query.get("X-Amz-Credential").split("/");
        if (!scope[2].equals(REGION) || !scope[3].equals("kafka-cluster")) return "the credential's scope is another";
        long from = LocalDateTime.parse(query.get("X-Amz-Date"), STAMP).toInstant(ZoneOffset.UTC).toEpochMilli();
        long until = from + Long.parseLong(query.get("X-Amz-Expires")) * 1000;
        if (until < System.currentTimeMillis()) return "the token has expired";
        asked.token(new Accepted(asked.tokenValue(), scope[0], from, until));
        return null;
    }

    private record Accepted(String value, String principalName, Long startTimeMs, long lifetimeMs)
        implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }
    }
}
