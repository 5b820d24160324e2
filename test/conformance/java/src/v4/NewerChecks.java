import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRegularExpression;

/** What clients have since 4.0: patterns that the broker evaluates, groups of every type through the admin client. */
final class NewerChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("group (consumer): pattern evaluated by the broker", () -> pattern(cluster));
        checks.add("group (consumer): invalid pattern is refused", () -> invalidPattern(cluster));
        checks.add("group: reset by duration", () -> byDuration(cluster));
        checks.add("admin: list groups of every type", AdminChecks.with(cluster, admin -> listGroups(cluster, admin)));
        checks.add("admin: describe classic groups", AdminChecks.with(cluster, admin -> classic(cluster, admin)));
        checks.add("admin: epochs and types of consumer groups", AdminChecks.with(cluster, admin -> epochs(cluster, admin)));
        checks.add("admin: group settings", AdminChecks.with(cluster, NewerChecks::groupSettings));
        checks.add("admin: client metrics settings", AdminChecks.with(cluster, NewerChecks::clientMetrics));
        checks.add("admin: share groups", AdminChecks.with(cluster, admin -> shareGroups(cluster, admin)));
        checks.add("admin: share group offsets", AdminChecks.with(cluster, admin -> shareOffsets(cluster, admin)));
        checks.add("admin: end a transaction by its id", AdminChecks.with(cluster, admin -> terminate(cluster, admin)));
    }

    private static void pattern(Cluster cluster) throws Exception {
        String prefix = Cluster.unique("regex");
        cluster.topic(prefix + "-a", 1);
        cluster.topic(prefix + "-other", 1);
        String[] settings = GroupChecks.settings("consumer", "group.id", Cluster.unique("g"));
        try (Member member = new Member(cluster, subscriber -> subscriber.consumer.subscribe(
                new SubscriptionPattern(prefix + "-[ab]"), subscriber.listener), List.of(), settings)) {
            Expect.eventually("one topic matches", () -> member.owned().equals(Set.of(prefix + "-a-0")));
            cluster.topic(prefix + "-b", 1);
            Expect.eventually("a new topic matches", () -> member.owned().equals(Set.of(prefix + "-a-0", prefix + "-b-0")));
        }
    }

    private static void invalidPattern(Cluster cluster) throws Exception {
        String[] settings = GroupChecks.settings("consumer", "group.id", Cluster.unique("g"));
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            consumer.subscribe(new SubscriptionPattern("(unclosed"));
            Expect.fails(InvalidRegularExpression.class, () -> Cluster.poll(consumer, 1));
        }
    }

    private static void byDuration(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        long now = System.currentTimeMillis();
        try (KafkaProducer<String, String> producer = cluster.producer()) {
            producer.send(new ProducerRecord<>(topic, 0, now - 7_200_000, "k", "old"));
            producer.send(new ProducerRecord<>(topic, 0, now - 60_000, "k", "young"));
        }
        try (KafkaConsumer<String, String> consumer = cluster.consumer("auto.offset.reset", "by_duration:PT1H")) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            Expect.equal(List.of("young"), Cluster.valuesOf(Cluster.poll(consumer, 1)), "records of the last hour");
        }
    }

    private static Member member(Cluster cluster, String protocol, String group, String topic) throws Exception {
        Member member = new Member(cluster, List.of(topic), GroupChecks.settings(protocol, "group.id", group));
        try {
            Expect.eventually("it owns its partition", () -> member.owned().size() == 1);
            return member;
        } catch (Throwable error) {
            member.close();
            throw error;
        }
    }

    private static void listGroups(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        String classic = Cluster.unique("g");
        String modern = Cluster.unique("g");
        String share = ShareChecks.group(cluster);
        cluster.fill(topic, 1, 1);
        try (Member first = member(cluster, "classic", classic, topic);
                Member second = member(cluster, "consumer", modern, topic);
                KafkaShareConsumer<String, String> consumer = ShareChecks.consumer(cluster, share, topic)) {
            ShareChecks.poll(consumer);
            Expect.equal(2, first.owned().size() + second.owned().size(), "partitions");
            Map<String, GroupType> types = Cluster.await(admin.listGroups().all()).stream()
                    .filter(group -> group.type().isPresent())
                    .collect(Collectors.toMap(GroupListing::groupId, group -> group.type().get()));
            Expect.equal(GroupType.CLASSIC, types.get(classic), "type of the classic group");
            Expect.equal(GroupType.CONSUMER, types.get(modern), "type of the consumer group");
            Expect.equal(GroupType.SHARE, types.get(share), "type of the share group");
        }
    }

    private static void classic(Cluster cluster, Admin admin) throws Exception {
        String group = Cluster.unique("g");
        try (Member member = member(cluster, "classic", group, cluster.topic(1))) {
            ClassicGroupDescription description =
                    Cluster.await(admin.describeClassicGroups(List.of(group)).describedGroups().get(group));
            Expect.equal("consumer", description.protocol(), "protocol");
            Expect.equal(member.owned().size(), description.members().size(), "members");
        }
    }

    private static void epochs(Cluster cluster, Admin admin) throws Exception {
        String group = Cluster.unique("g");
        try (Member member = member(cluster, "consumer", group, cluster.topic(1))) {
            Expect.eventually("the epochs agree", () -> {
                ConsumerGroupDescription description =
                        Cluster.await(admin.describeConsumerGroups(List.of(group)).describedGroups().get(group));
                Expect.equal(GroupType.CONSUMER, description.type(), "type");
                Expect.equal("uniform", description.partitionAssignor(), "assignor");
                int epoch = description.groupEpoch().orElse(-1);
                int target = description.targetAssignmentEpoch().orElse(-2);
                int memberEpoch = description.members().iterator().next().memberEpoch().orElse(-3);
                return epoch > 0 && epoch == target && epoch == memberEpoch && member.owned().size() == 1;
            });
        }
    }

    private static void groupSettings(Admin admin) throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, Cluster.unique("g"));
        AdminChecks.alter(admin, group, AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "50000");
        Expect.eventually("set", () -> "50000".equals(AdminChecks.value(admin, group, "consumer.session.timeout.ms")));
        Expect.isTrue(AdminChecks.value(admin, group, "share.record.lock.duration.ms") != null, "defaults are listed");
        Expect.isTrue(Cluster.await(admin.listConfigResources(Set.of(ConfigResource.Type.GROUP), new ListConfigResourcesOptions())
                .all()).contains(group), "the group is listed");
        Expect.fails(InvalidConfigurationException.class, () -> {
            AdminChecks.alter(admin, group, AlterConfigOp.OpType.SET, "consumer.session.timeout.ms", "1");
            return null;
        });
        AdminChecks.alter(admin, group, AlterConfigOp.OpType.DELETE, "consumer.session.timeout.ms", null);
        Expect.eventually("default", () -> "45000".equals(AdminChecks.value(admin, group, "consumer.session.timeout.ms")));
    }

    private static void clientMetrics(Admin admin) throws Exception {
        ConfigResource metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, Cluster.unique("metrics"));
        AdminChecks.alter(admin, metrics, AlterConfigOp.OpType.SET, "interval.ms", "10000");
        AdminChecks.alter(admin, metrics, AlterConfigOp.OpType.SET, "metrics", "org.apache.kafka.producer.");
        Expect.eventually("set", () -> "10000".equals(AdminChecks.value(admin, metrics, "interval.ms")));
        Expect.isTrue(Cluster.await(admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS),
                new ListConfigResourcesOptions()).all()).contains(metrics), "listed");
        AdminChecks.alter(admin, metrics, AlterConfigOp.OpType.DELETE, "interval.ms", null);
        AdminChecks.alter(admin, metrics, AlterConfigOp.OpType.DELETE, "metrics", null);
    }

    private static void shareGroups(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        String group = ShareChecks.group(cluster);
        cluster.fill(topic, 1, 1);
        try (KafkaShareConsumer<String, String> consumer = ShareChecks.consumer(cluster, group, topic)) {
            ShareChecks.poll(consumer);
            ShareGroupDescription description =
                    Cluster.await(admin.describeShareGroups(List.of(group)).describedGroups().get(group));
            Expect.equal("Stable", description.groupState().toString(), "state");
            Expect.equal(Set.of(new TopicPartition(topic, 0)),
                    description.members().iterator().next().assignment().topicPartitions(), "assignment");
            Expect.fails(GroupNotEmptyException.class, () -> Cluster.await(admin.deleteShareGroups(List.of(group)).all()));
        }
        Cluster.await(admin.deleteShareGroups(List.of(group)).all());
        Expect.isTrue(Cluster.await(admin.listGroups().all()).stream().noneMatch(one -> one.groupId().equals(group)), "gone");
    }

    private static void shareOffsets(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String group = ShareChecks.group(cluster);
        cluster.fill(topic, 1, 5);
        try (KafkaShareConsumer<String, String> consumer = ShareChecks.consumer(cluster, group, topic)) {
            Expect.equal(5, ShareChecks.poll(consumer).size(), "records");
            consumer.commitSync();
        }
        Expect.eventually("five are done", () -> lag(admin, group, partition) == 0);
        Cluster.await(admin.alterShareGroupOffsets(group, Map.of(partition, 2L)).all());
        Expect.equal(2L, startOffset(admin, group, partition), "start offset as altered");
        try (KafkaShareConsumer<String, String> consumer = ShareChecks.consumer(cluster, group, topic)) {
            Expect.equal(Cluster.values(2, 3), Cluster.valuesOf(ShareChecks.poll(consumer)), "records from there on");
        }
        Cluster.await(admin.deleteShareGroupOffsets(group, Set.of(topic)).all());
        Expect.equal(-1L, startOffset(admin, group, partition), "no offset is left");
    }

    /** The start moves later than the acknowledgements, so only the lag tells that they are all there. */
    private static long lag(Admin admin, String group, TopicPartition partition) throws Exception {
        SharePartitionOffsetInfo offsets = shareOffsets(admin, group).get(partition);
        return offsets == null ? -1 : offsets.lag().orElse(-1L);
    }

    private static long startOffset(Admin admin, String group, TopicPartition partition) throws Exception {
        SharePartitionOffsetInfo offsets = shareOffsets(admin, group).get(partition);
        return offsets == null ? -1 : offsets.startOffset();
    }

    private static Map<TopicPartition, SharePartitionOffsetInfo> shareOffsets(Admin admin, String group) throws Exception {
        return Cluster.await(admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()))
                .partitionsToOffsetInfo(group));
    }

    private static void terminate(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        String id = Cluster.unique("tx");
        KafkaProducer<String, String> producer = cluster.producer("transactional.id", id);
        try {
            producer.initTransactions();
            producer.beginTransaction();
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "v")));
            Cluster.await(admin.forceTerminateTransaction(id).result());
            Expect.eventually("aborted", () -> Set.of("CompleteAbort", "Empty").contains(
                    Cluster.await(admin.describeTransactions(List.of(id)).description(id)).state().toString()));
        } finally {
            producer.close(java.time.Duration.ZERO);
        }
        Expect.equal(List.of(), cluster.readValues(topic, 0, "isolation.level", "read_committed"), "values");
    }
}
