import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Consumer groups of both protocols through the admin client. */
final class AdminGroupChecks implements Checks.Source {
    @Override
    public void addTo(Checks checks, Cluster cluster) {
        for (String protocol : List.of("classic", "consumer")) {
            String name = "admin (group " + protocol + "): ";
            checks.add(name + "list and describe", AdminChecks.with(cluster, admin -> describe(cluster, admin, protocol)));
            checks.add(name + "list, alter and delete offsets",
                    AdminChecks.with(cluster, admin -> offsets(cluster, admin, protocol)));
            checks.add(name + "delete", AdminChecks.with(cluster, admin -> delete(cluster, admin, protocol)));
        }
        checks.add("admin (group classic): remove members", AdminChecks.with(cluster, admin -> remove(cluster, admin)));
    }

    private static Member member(Cluster cluster, String protocol, String group, String topic) throws Exception {
        String[] settings = GroupChecks.settings(protocol, "group.id", group, "client.id", "observed");
        Member member = new Member(cluster, List.of(topic), settings);
        try {
            Expect.eventually("it owns its partitions", () -> member.owned().size() == 2);
            return member;
        } catch (Throwable error) {
            member.close();
            throw error;
        }
    }

    private static ConsumerGroupDescription describe(Admin admin, String group) throws Exception {
        return Cluster.await(admin.describeConsumerGroups(List.of(group)).describedGroups().get(group));
    }

    private static void describe(Cluster cluster, Admin admin, String protocol) throws Exception {
        String topic = cluster.topic(2);
        String group = Cluster.unique("g");
        try (Member member = member(cluster, protocol, group, topic)) {
            Set<String> listed = Cluster.await(admin.listConsumerGroups().all()).stream()
                    .map(listing -> listing.groupId()).collect(Collectors.toSet());
            Expect.isTrue(listed.contains(group), "the group is listed");
            Expect.eventually("it is stable", () -> "Stable".equals(describe(admin, group).state().toString()));
            ConsumerGroupDescription description = describe(admin, group);
            Expect.equal(1, description.members().size(), "members");
            Expect.equal("observed", description.members().iterator().next().clientId(), "client id");
            Set<TopicPartition> assigned = description.members().iterator().next().assignment().topicPartitions();
            Expect.equal(Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)), assigned, "assignment");
            Expect.isTrue(description.coordinator().port() > 0, "a coordinator");
            Expect.equal(member.owned().size(), assigned.size(), "partitions");
        }
        Expect.eventually("it is empty", () -> "Empty".equals(describe(admin, group).state().toString()));
    }

    private static void offsets(Cluster cluster, Admin admin, String protocol) throws Exception {
        String topic = cluster.topic(2);
        String group = Cluster.unique("g");
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        cluster.fill(topic, 2, 20);
        try (Member member = member(cluster, protocol, group, topic)) {
            Expect.eventually("all was read", () -> member.read.size() == 20);
            Expect.eventually("committed", () -> offsets(admin, group).size() == 2);
            Expect.fails(GroupSubscribedToTopicException.class,
                    () -> Cluster.await(admin.deleteConsumerGroupOffsets(group, Set.of(zero)).partitionResult(zero)));
            Expect.fails(UnknownMemberIdException.class, () -> Cluster.await(
                    admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(1))).all()));
        }
        Expect.equal(10L, offsets(admin, group).get(zero).offset(), "offset");
        Cluster.await(admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(4, "moved"))).all());
        OffsetAndMetadata moved = offsets(admin, group).get(zero);
        Expect.equal("4 moved", moved.offset() + " " + moved.metadata(), "offset and metadata");
        Cluster.await(admin.deleteConsumerGroupOffsets(group, Set.of(one)).all());
        Expect.equal(Set.of(zero), offsets(admin, group).keySet(), "what is left");
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Admin admin, String group) throws Exception {
        return Cluster.await(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
    }

    private static void delete(Cluster cluster, Admin admin, String protocol) throws Exception {
        String topic = cluster.topic(2);
        String group = Cluster.unique("g");
        cluster.fill(topic, 2, 2);
        try (Member member = member(cluster, protocol, group, topic)) {
            Expect.equal(2, member.owned().size(), "partitions");
            Expect.fails(GroupNotEmptyException.class, () -> Cluster.await(admin.deleteConsumerGroups(List.of(group)).all()));
        }
        Cluster.await(admin.deleteConsumerGroups(List.of(group)).all());
        Expect.fails(GroupIdNotFoundException.class, () -> Cluster.await(admin.deleteConsumerGroups(List.of(group)).all()));
        Expect.isTrue(offsets(admin, group).isEmpty(), "its offsets went with it");
    }

    private static void remove(Cluster cluster, Admin admin) throws Exception {
        String topic = cluster.topic(1);
        String group = Cluster.unique("g");
        String[] patient = {"group.id", group, "group.instance.id", "gone", "session.timeout.ms", "30000"};
        String[] settings = GroupChecks.settings("classic", patient);
        // A static member that ends keeps its place until it is removed.
        try (KafkaConsumer<String, String> consumer = cluster.consumer(settings)) {
            consumer.subscribe(List.of(topic));
            Expect.eventually("it owns its partition", () -> {
                consumer.poll(Cluster.POLL);
                return consumer.assignment().size() == 1;
            });
        }
        Expect.equal(1, describe(admin, group).members().size(), "members");
        RemoveMembersFromConsumerGroupOptions options =
                new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("gone")));
        Cluster.await(admin.removeMembersFromConsumerGroup(group, options).all());
        Expect.equal(List.of(), new ArrayList<>(describe(admin, group).members()), "members");
    }
}
