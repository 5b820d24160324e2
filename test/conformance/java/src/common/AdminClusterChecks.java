import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.BrokerIdNotRegisteredException;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** Replicas, quotas, features, producers and transactions through the admin client. */
final class AdminClusterChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        checks.add("admin: log directories", AdminChecks.with(cluster, admin -> logDirs(cluster, admin)));
        checks.add("admin: move a replica between log directories",
                AdminChecks.with(cluster, admin -> moveLogDir(cluster, admin)));
        checks.add("admin: elect leaders", AdminChecks.with(cluster, admin -> elect(cluster, admin)));
        checks.add("admin: reassign partitions", AdminChecks.with(cluster, admin -> reassign(cluster, admin)));
        checks.add("admin: client quotas", AdminChecks.with(cluster, AdminClusterChecks::quotas));
        checks.add("admin: describe and update features", AdminChecks.with(cluster, AdminClusterChecks::features));
        checks.add("admin: metadata quorum", AdminChecks.with(cluster, AdminClusterChecks::quorum));
        checks.add("admin: unregister an unknown broker", AdminChecks.with(cluster, AdminClusterChecks::unregister));
        checks.add("admin: describe producers", AdminChecks.with(cluster, admin -> producers(cluster, admin)));
        checks.add("admin: list and describe transactions", AdminChecks.with(cluster, admin -> transactions(cluster, admin)));
        checks.add("admin: abort a transaction in one partition", AdminChecks.with(cluster, admin -> abort(cluster, admin)));
        checks.add("admin: fence producers", AdminChecks.with(cluster, admin -> fence(cluster, admin)));
        checks.add("telemetry: the broker names a client instance", () -> telemetry(cluster));
    }

    private static void logDirs(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        cluster.fill(topic, 1, 100);
        int node = AdminChecks.anyNode(admin);
        Map<String, LogDirDescription> dirs = Cluster.await(admin.describeLogDirs(List.of(node)).descriptions().get(node));
        TopicPartition partition = new TopicPartition(topic, 0);
        long holders = dirs.values().stream().filter(dir -> dir.replicaInfos().containsKey(partition)).count();
        Expect.equal(1L, holders, "directories that hold the partition");
        Expect.isTrue(dirs.values().stream().allMatch(dir -> dir.error() == null), "no directory has an error");
    }

    private static void moveLogDir(Cluster cluster, Admin admin) throws Exception {
        TopicPartitionReplica replica = new TopicPartitionReplica(cluster.topic(1), 0, AdminChecks.anyNode(admin));
        Expect.isTrue(Cluster.await(admin.describeReplicaLogDirs(List.of(replica)).all())
                .get(replica).getCurrentReplicaLogDir() != null, "where it is");
        Expect.fails(LogDirNotFoundException.class,
                () -> Cluster.await(admin.alterReplicaLogDirs(Map.of(replica, "/no/such/directory")).all()));
    }

    private static void elect(Cluster cluster, Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        for (ElectionType type : ElectionType.values()) {
            Map<TopicPartition, Optional<Throwable>> result =
                    Cluster.await(admin.electLeaders(type, Set.of(partition)).partitions());
            Expect.isTrue(result.get(partition).orElse(null) instanceof ElectionNotNeededException, type + " is not needed");
        }
    }

    private static void reassign(Cluster cluster, Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        int node = AdminChecks.anyNode(admin);
        Optional<NewPartitionReassignment> same = Optional.of(new NewPartitionReassignment(List.of(node)));
        Cluster.await(admin.alterPartitionReassignments(Map.of(partition, same)).all());
        Expect.eventually("none is under way", () -> Cluster.await(admin.listPartitionReassignments().reassignments()).isEmpty());
        Optional<NewPartitionReassignment> nowhere = Optional.of(new NewPartitionReassignment(List.of(node + 7000)));
        Expect.fails(InvalidReplicaAssignmentException.class,
                () -> Cluster.await(admin.alterPartitionReassignments(Map.of(partition, nowhere)).all()));
        Expect.fails(NoReassignmentInProgressException.class,
                () -> Cluster.await(admin.alterPartitionReassignments(Map.of(partition, Optional.empty())).all()));
    }

    private static void quotas(Admin admin) throws Exception {
        String user = Cluster.unique("user");
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of("user", user, "client-id", "c"));
        alter(admin, entity, "producer_byte_rate", 123_456.0);
        alter(admin, entity, "request_percentage", 50.0);
        ClientQuotaFilter filter = ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity("user", user)));
        Map<ClientQuotaEntity, Map<String, Double>> expected =
                Map.of(entity, Map.of("producer_byte_rate", 123_456.0, "request_percentage", 50.0));
        Expect.eventually("set", () -> expected.equals(Cluster.await(admin.describeClientQuotas(filter).entities())));
        alter(admin, entity, "producer_byte_rate", null);
        alter(admin, entity, "request_percentage", null);
        Expect.eventually("removed", () -> Cluster.await(admin.describeClientQuotas(filter).entities()).isEmpty());
        Map<String, String> everybody = new HashMap<>();
        everybody.put("client-id", null);
        ClientQuotaEntity unnamed = new ClientQuotaEntity(everybody);
        alter(admin, unnamed, "consumer_byte_rate", 1e9);
        ClientQuotaFilter ofDefault =
                ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofDefaultEntity("client-id")));
        Expect.eventually("the default", () -> Map.of(unnamed, Map.of("consumer_byte_rate", 1e9))
                .equals(Cluster.await(admin.describeClientQuotas(ofDefault).entities())));
        alter(admin, unnamed, "consumer_byte_rate", null);
    }

    private static void alter(Admin admin, ClientQuotaEntity entity, String name, Double value) throws Exception {
        ClientQuotaAlteration.Op op = new ClientQuotaAlteration.Op(name, value);
        Cluster.await(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(op)))).all());
    }

    private static void features(Admin admin) throws Exception {
        FeatureMetadata features = Cluster.await(admin.describeFeatures().featureMetadata());
        for (String name : List.of("metadata.version", "group.version", "transaction.version")) {
            Expect.isTrue(features.supportedFeatures().containsKey(name), name + " is supported");
            Expect.isTrue(features.finalizedFeatures().containsKey(name), name + " is finalized");
        }
        short beyond = (short) (features.supportedFeatures().get("group.version").maxVersion() + 1);
        FeatureUpdate update = new FeatureUpdate(beyond, FeatureUpdate.UpgradeType.UPGRADE);
        UpdateFeaturesOptions dry = new UpdateFeaturesOptions().validateOnly(true);
        Expect.fails(InvalidUpdateVersionException.class,
                () -> Cluster.await(admin.updateFeatures(Map.of("group.version", update), dry).all()));
    }

    private static void quorum(Admin admin) throws Exception {
        QuorumInfo quorum = Cluster.await(admin.describeMetadataQuorum().quorumInfo());
        Expect.isTrue(quorum.voters().stream().anyMatch(voter -> voter.replicaId() == quorum.leaderId()), "the leader votes");
    }

    private static void unregister(Admin admin) throws Exception {
        Expect.fails(BrokerIdNotRegisteredException.class, () -> Cluster.await(admin.unregisterBroker(7777).all()));
    }

    private static KafkaProducer<String, String> open(Cluster cluster, String id, String topic) throws Exception {
        KafkaProducer<String, String> producer = cluster.producer("transactional.id", id, "max.block.ms", "30000");
        try {
            producer.initTransactions();
            producer.beginTransaction();
            Cluster.await(producer.send(new ProducerRecord<>(topic, 0, "k", "v")));
            return producer;
        } catch (Throwable error) {
            producer.close(Duration.ZERO);
            throw error;
        }
    }

    private static List<ProducerState> producers(Admin admin, TopicPartition partition) throws Exception {
        return Cluster.await(admin.describeProducers(List.of(partition)).partitionResult(partition)).activeProducers();
    }

    private static void producers(Cluster cluster, Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        cluster.fill(partition.topic(), 1, 5);
        List<ProducerState> idempotent = producers(admin, partition);
        Expect.equal(1, idempotent.size(), "producers");
        Expect.equal(4, idempotent.get(0).lastSequence(), "last sequence");
        Expect.isTrue(idempotent.get(0).currentTransactionStartOffset().isEmpty(), "no transaction");
        try (KafkaProducer<String, String> producer = open(cluster, Cluster.unique("tx"), partition.topic())) {
            Expect.isTrue(producers(admin, partition).stream()
                    .anyMatch(state -> state.currentTransactionStartOffset().orElse(-1) == 5), "a transaction from 5 on");
            producer.commitTransaction();
        }
    }

    private static void transactions(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        String id = Cluster.unique("tx");
        try (KafkaProducer<String, String> producer = open(cluster, id, topic)) {
            Expect.equal("Ongoing", state(admin, id), "state as listed");
            Expect.equal(Set.of(new TopicPartition(topic, 0)),
                    Cluster.await(admin.describeTransactions(List.of(id)).description(id)).topicPartitions(), "partitions");
            producer.commitTransaction();
            Expect.eventually("committed", () -> "CompleteCommit".equals(state(admin, id)));
        }
        String absent = Cluster.unique("absent");
        Expect.fails(TransactionalIdNotFoundException.class,
                () -> Cluster.await(admin.describeTransactions(List.of(absent)).description(absent)));
    }

    private static String state(Admin admin, String id) throws Exception {
        for (TransactionListing listing : Cluster.await(admin.listTransactions().all())) {
            if (listing.transactionalId().equals(id)) return listing.state().toString();
        }
        return "not listed";
    }

    /** What an operator does with a hanging transaction: it ends in this partition, whatever its coordinator thinks. */
    private static void abort(Cluster cluster, Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition(cluster.topic(1), 0);
        KafkaProducer<String, String> producer = open(cluster, Cluster.unique("tx"), partition.topic());
        try {
            ProducerState state = producers(admin, partition).get(0);
            Cluster.await(admin.abortTransaction(new AbortTransactionSpec(partition, state.producerId(),
                    (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0))).all());
            Expect.eventually("no transaction is open", () -> producers(admin, partition).stream()
                    .allMatch(one -> one.currentTransactionStartOffset().isEmpty()));
            Expect.equal(List.of(), cluster.readValues(partition.topic(), 0, "isolation.level", "read_committed"), "values");
        } finally {
            producer.close(Duration.ZERO);
        }
    }

    private static void fence(Cluster cluster, Admin admin) throws Exception {
        String id = Cluster.unique("tx");
        KafkaProducer<String, String> producer = open(cluster, id, cluster.topic(1));
        try {
            Cluster.await(admin.fenceProducers(List.of(id)).all());
            Expect.fails(KafkaException.class, error -> error instanceof ProducerFencedException
                    || error.getClass().getSimpleName().equals("InvalidProducerEpochException"), () -> {
                producer.commitTransaction();
                return null;
            });
        } finally {
            producer.close(Duration.ZERO);
        }
    }

    private static void telemetry(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        try (KafkaProducer<String, String> producer = cluster.producer("enable.metrics.push", "true")) {
            Cluster.sendAll(producer, topic, 1, 0, 1);
            Uuid id = producer.clientInstanceId(Duration.ofSeconds(20));
            Expect.isTrue(id != null && !id.equals(Uuid.ZERO_UUID), "an id");
            Expect.equal(id, producer.clientInstanceId(Duration.ofSeconds(20)), "the same id again");
        }
    }
}
