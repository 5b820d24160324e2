import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;

/** What clients before 4.0 have and later ones do not. */
final class OlderChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("admin: replace all topic settings", AdminChecks.with(cluster, admin -> replace(cluster, admin)));
    }

    @SuppressWarnings("deprecation")
    private static void replace(Cluster cluster, Admin admin) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, cluster.topic(1, "retention.ms", "77777"));
        Config settings = new Config(List.of(new ConfigEntry("max.message.bytes", "55555")));
        Cluster.await(admin.alterConfigs(Map.of(topic, settings)).all());
        Expect.eventually("what is named is set", () -> "55555".equals(AdminChecks.value(admin, topic, "max.message.bytes")));
        String retention = AdminChecks.value(admin, topic, "retention.ms");
        Expect.isTrue(!"77777".equals(retention), "what is not named is back at its default");
    }
}
