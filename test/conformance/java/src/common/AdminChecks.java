import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics, their records and all settings through the admin client. */
final class AdminChecks implements Checks.Source {
    /** A call on an admin client of its own. */
    interface Call {
        void run(Admin admin) throws Exception;
    }

    static Checks.Body with(Cluster cluster, Call call) {
        return () -> {
            try (Admin admin = cluster.admin()) {
                call.run(admin);
            }
        };
    }

    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("admin: describe the cluster", with(cluster, AdminChecks::describeCluster));
        checks.add("admin: create topics", with(cluster, AdminChecks::createTopics));
        checks.add("admin: create topics, refused", with(cluster, AdminChecks::createTopicsRefused));
        checks.add("admin: describe topics by name and id", with(cluster, admin -> describeTopics(cluster, admin)));
        checks.add("admin: delete topics by name and id", with(cluster, admin -> deleteTopics(cluster, admin)));
        checks.add("admin: create partitions", with(cluster, admin -> createPartitions(cluster, admin)));
        checks.add("admin: delete records", with(cluster, admin -> deleteRecords(cluster, admin)));
        checks.add("admin: list offsets", with(cluster, admin -> listOffsets(cluster, admin)));
        checks.add("admin: topic settings", with(cluster, admin -> topicSettings(cluster, admin)));
        checks.add("admin: append to and subtract from a list setting", with(cluster, admin -> listSetting(cluster, admin)));
        checks.add("admin: describe all topic settings with documentation", with(cluster, admin -> documented(cluster, admin)));
        checks.add("admin: describe broker settings", with(cluster, AdminChecks::describeBroker));
        checks.add("admin: alter broker settings", with(cluster, AdminChecks::alterBroker));
        checks.add("admin: alter settings of all brokers", with(cluster, AdminChecks::alterAllBrokers));
        checks.add("admin: describe and alter broker loggers", with(cluster, AdminChecks::loggers));
    }

    static int anyNode(Admin admin) throws Exception {
        return Cluster.await(admin.describeCluster().nodes()).iterator().next().id();
    }

    private static void describeCluster(Admin admin) throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        Expect.isTrue(!Cluster.await(cluster.clusterId()).isEmpty(), "a cluster id");
        List<Node> nodes = new ArrayList<>(Cluster.await(cluster.nodes()));
        Expect.equal(1, nodes.size(), "nodes");
        Expect.isTrue(nodes.contains(Cluster.await(cluster.controller())), "the controller is a node");
    }

    private static void createTopics(Admin admin) throws Exception {
        String dry = Cluster.unique("dry");
        NewTopic topic = new NewTopic(dry, 3, (short) 1).configs(Map.of("retention.ms", "1234"));
        Cluster.await(admin.createTopics(List.of(topic), new CreateTopicsOptions().validateOnly(true)).all());
        Expect.isTrue(!Cluster.await(admin.listTopics().names()).contains(dry), "validating creates nothing");
        String name = Cluster.unique("made");
        String assigned = Cluster.unique("assigned");
        int node = anyNode(admin);
        CreateTopicsResult result = admin.createTopics(List.of(
                new NewTopic(name, 3, (short) 1).configs(Map.of("retention.ms", "1234")),
                new NewTopic(assigned, Map.of(0, List.of(node), 1, List.of(node)))));
        Expect.equal(3, Cluster.await(result.numPartitions(name)), "partitions");
        Expect.equal("1234", Cluster.await(result.config(name)).get("retention.ms").value(), "retention.ms in the answer");
        Expect.equal(2, Cluster.await(result.numPartitions(assigned)), "partitions as assigned");
        Uuid id = Cluster.await(result.topicId(name));
        Expect.eventually("listed", () -> Cluster.await(admin.listTopics().namesToListings()).containsKey(name));
        Expect.equal(id, Cluster.await(admin.listTopics().namesToListings()).get(name).topicId(), "id");
    }

    private static void createTopicsRefused(Admin admin) throws Exception {
        String name = Cluster.unique("refused");
        Cluster.await(admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all());
        NewTopic badConfig = new NewTopic(name + "2", 1, (short) 1).configs(Map.of("retention.ms", "soon"));
        NewTopic noSuchConfig = new NewTopic(name + "3", 1, (short) 1).configs(Map.of("no.such.setting", "1"));
        CreateTopicsResult result = admin.createTopics(List.of(
                new NewTopic(name, 1, (short) 1),
                new NewTopic("bad name!", 1, (short) 1),
                badConfig,
                noSuchConfig,
                new NewTopic(name + "4", 0, (short) 1),
                new NewTopic(name + "5", 1, (short) 1)));
        Expect.fails(TopicExistsException.class, () -> Cluster.await(result.values().get(name)));
        Expect.fails(InvalidTopicException.class, () -> Cluster.await(result.values().get("bad name!")));
        Expect.fails(InvalidConfigurationException.class, () -> Cluster.await(result.values().get(name + "2")));
        Expect.fails(InvalidConfigurationException.class, () -> Cluster.await(result.values().get(name + "3")));
        Expect.fails(InvalidPartitionsException.class, () -> Cluster.await(result.values().get(name + "4")));
        Cluster.await(result.values().get(name + "5"));
    }

    private static void describeTopics(Cluster cluster, Admin admin) throws Exception {
        String name = cluster.topic(3);
        TopicDescription byName = Cluster.await(admin.describeTopics(List.of(name)).topicNameValues().get(name));
        Expect.equal(3, byName.partitions().size(), "partitions");
        Expect.isTrue(byName.partitions().get(0).isr().size() >= 1, "replicas in sync");
        Uuid id = byName.topicId();
        TopicDescription byId = Cluster.await(
                admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).topicIdValues().get(id));
        Expect.equal(name, byId.name(), "name");
        String absent = Cluster.unique("absent");
        Expect.fails(UnknownTopicOrPartitionException.class,
                () -> Cluster.await(admin.describeTopics(List.of(absent)).topicNameValues().get(absent)));
        Uuid unknown = Uuid.randomUuid();
        Expect.fails(UnknownTopicIdException.class, () -> Cluster.await(
                admin.describeTopics(TopicCollection.ofTopicIds(List.of(unknown))).topicIdValues().get(unknown)));
    }

    private static void deleteTopics(Cluster cluster, Admin admin) throws Exception {
        String byName = cluster.topic(1);
        String byId = cluster.topic(1);
        Uuid id = Cluster.await(admin.describeTopics(List.of(byId)).topicNameValues().get(byId)).topicId();
        Cluster.await(admin.deleteTopics(List.of(byName)).all());
        Cluster.await(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        Expect.eventually("gone", () -> {
            Set<String> names = Cluster.await(admin.listTopics().names());
            return !names.contains(byName) && !names.contains(byId);
        });
        Expect.fails(UnknownTopicOrPartitionException.class, () -> Cluster.await(admin.deleteTopics(List.of(byName)).all()));
    }

    private static void createPartitions(Cluster cluster, Admin admin) throws Exception {
        String name = cluster.topic(2);
        Cluster.await(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all());
        Expect.eventually("four partitions", () -> Cluster.await(
                admin.describeTopics(List.of(name)).topicNameValues().get(name)).partitions().size() == 4);
        Expect.fails(InvalidPartitionsException.class,
                () -> Cluster.await(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(3))).all()));
    }

    private static void deleteRecords(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        cluster.fill(topic, 1, 10);
        long low = Cluster.await(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4)))
                .lowWatermarks().get(partition)).lowWatermark();
        Expect.equal(4L, low, "low watermark");
        Expect.equal(Cluster.values(4, 6), cluster.readValues(topic, 6), "what is left");
        Cluster.await(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all());
        Expect.equal(List.of(), cluster.readValues(topic, 0), "nothing is left");
    }

    private static void listOffsets(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 10);
        Expect.equal(0L, offset(admin, topic, OffsetSpec.earliest()), "earliest");
        Expect.equal(10L, offset(admin, topic, OffsetSpec.latest()), "latest");
        Expect.isTrue(offset(admin, topic, OffsetSpec.maxTimestamp()) >= 0, "largest timestamp");
        Expect.equal(0L, offset(admin, topic, OffsetSpec.forTimestamp(1)), "first after a time");
        Expect.equal(-1L, offset(admin, topic, OffsetSpec.forTimestamp(System.currentTimeMillis() + 100_000)), "later");
        Expect.equal(0L, offset(admin, topic, OffsetSpec.earliestLocal()), "earliest that is local");
    }

    private static long offset(Admin admin, String topic, OffsetSpec spec) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        ListOffsetsResultInfo info = Cluster.await(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition));
        return info.offset();
    }

    static Config describe(Admin admin, ConfigResource resource) throws Exception {
        return Cluster.await(admin.describeConfigs(List.of(resource)).values().get(resource));
    }

    static void alter(Admin admin, ConfigResource resource, OpType type, String name, String value) throws Exception {
        List<AlterConfigOp> ops = List.of(new AlterConfigOp(new ConfigEntry(name, value), type));
        Cluster.await(admin.incrementalAlterConfigs(Map.of(resource, ops)).all());
    }

    static String value(Admin admin, ConfigResource resource, String name) throws Exception {
        ConfigEntry entry = describe(admin, resource).get(name);
        return entry == null ? null : entry.value();
    }

    private static void topicSettings(Cluster cluster, Admin admin) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, cluster.topic(1));
        String before = value(admin, topic, "retention.ms");
        alter(admin, topic, OpType.SET, "retention.ms", "77777");
        Expect.eventually("set", () -> "77777".equals(value(admin, topic, "retention.ms")));
        ConfigEntry entry = describe(admin, topic).get("retention.ms");
        Expect.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, entry.source(), "source");
        alter(admin, topic, OpType.DELETE, "retention.ms", null);
        Expect.eventually("as before", () -> before.equals(value(admin, topic, "retention.ms")));
        Expect.fails(InvalidConfigurationException.class, () -> {
            alter(admin, topic, OpType.SET, "retention.ms", "-7");
            return null;
        });
    }

    private static void listSetting(Cluster cluster, Admin admin) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, cluster.topic(1, "cleanup.policy", "delete"));
        alter(admin, topic, OpType.APPEND, "cleanup.policy", "compact");
        Expect.eventually("appended", () -> Set.of("delete", "compact").equals(
                new HashSet<>(List.of(value(admin, topic, "cleanup.policy").split(",")))));
        alter(admin, topic, OpType.SUBTRACT, "cleanup.policy", "delete");
        Expect.eventually("subtracted", () -> "compact".equals(value(admin, topic, "cleanup.policy")));
    }

    private static void documented(Cluster cluster, Admin admin) throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, cluster.topic(1));
        DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        Config config = Cluster.await(admin.describeConfigs(List.of(topic), options).values().get(topic));
        ConfigEntry retention = config.get("retention.ms");
        Expect.equal(ConfigEntry.ConfigType.LONG, retention.type(), "type");
        Expect.isTrue(retention.documentation() != null && !retention.documentation().isEmpty(), "documentation");
        List<String> unknown = List.of("cleanup.policy", "compression.type", "delete.retention.ms", "max.message.bytes",
                "message.timestamp.type", "min.insync.replicas", "retention.bytes", "retention.ms", "segment.bytes")
                .stream().filter(name -> config.get(name) == null).collect(Collectors.toList());
        Expect.equal(List.of(), unknown, "settings that are not listed");
    }

    private static void describeBroker(Admin admin) throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(anyNode(admin)));
        Config config = describe(admin, broker);
        for (String name : List.of("node.id", "log.retention.ms", "message.max.bytes", "num.partitions")) {
            Expect.isTrue(config.get(name) != null, name + " is listed");
        }
        Expect.equal(broker.name(), config.get("node.id").value(), "node.id");
    }

    private static void alterBroker(Admin admin) throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(anyNode(admin)));
        alter(admin, broker, OpType.SET, "log.cleaner.backoff.ms", "16000");
        Expect.eventually("set", () -> "16000".equals(value(admin, broker, "log.cleaner.backoff.ms")));
        Expect.equal(ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG,
                describe(admin, broker).get("log.cleaner.backoff.ms").source(), "source");
        alter(admin, broker, OpType.DELETE, "log.cleaner.backoff.ms", null);
        Expect.eventually("default", () -> "15000".equals(value(admin, broker, "log.cleaner.backoff.ms")));
    }

    private static void alterAllBrokers(Admin admin) throws Exception {
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        alter(admin, all, OpType.SET, "log.retention.ms", "604800001");
        Expect.eventually("set", () -> "604800001".equals(value(admin, all, "log.retention.ms")));
        String name = Cluster.unique("inherits");
        Cluster.await(admin.createTopics(List.of(new NewTopic(name, Optional.of(1), Optional.empty()))).all());
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        Expect.eventually("a topic inherits it", () -> "604800001".equals(value(admin, topic, "retention.ms")));
        alter(admin, all, OpType.DELETE, "log.retention.ms", null);
        Expect.eventually("deleted", () -> value(admin, all, "log.retention.ms") == null);
    }

    private static void loggers(Admin admin) throws Exception {
        ConfigResource loggers = new ConfigResource(ConfigResource.Type.BROKER_LOGGER, String.valueOf(anyNode(admin)));
        Expect.isTrue(describe(admin, loggers).get("root") != null, "the root logger is listed");
    }
}
