import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;

/** Several members of one group, in the classic protocol and in that of KIP-848. */
final class GroupChecks implements Checks.Source {
    private static final int PARTITIONS = 4;

    @Override
    public void addTo(Checks checks, Cluster cluster) {
        for (String protocol : List.of("classic", "consumer")) {
            String name = "group (" + protocol + "): ";
            checks.add(name + "second member joins and leaves", () -> share(cluster, settings(protocol)));
            checks.add(name + "static member comes back without a rebalance", () -> staticMember(cluster, protocol));
            checks.add(name + "member that does not poll is replaced", () -> silent(cluster, protocol));
            checks.add(name + "new partitions are assigned", () -> newPartitions(cluster, protocol));
            checks.add(name + "every record once while members come and go", () -> handover(cluster, protocol));
        }
        for (Class<?> assignor : List.of(RoundRobinAssignor.class, StickyAssignor.class)) {
            String[] settings = settings("classic", "partition.assignment.strategy", assignor.getName());
            checks.add("group (classic): " + assignor.getSimpleName(), () -> share(cluster, settings));
        }
        for (String assignor : List.of("uniform", "range")) {
            String[] settings = settings("consumer", "group.remote.assignor", assignor);
            checks.add("group (consumer): assignor " + assignor, () -> share(cluster, settings));
        }
        checks.add("group (classic): cooperative rebalance keeps what stays", () -> cooperative(cluster));
        checks.add("group (classic): members without a common assignor", () -> noCommonAssignor(cluster));
        checks.add("group (consumer): second static member with a name in use", () -> nameInUse(cluster));
        checks.add("group: from classic to consumer with live members, and back", () -> migrate(cluster));
    }

    static String[] settings(String protocol, String... more) {
        List<String> all = new ArrayList<>(List.of("group.protocol", protocol));
        if (protocol.equals("classic")) {
            all.addAll(List.of("session.timeout.ms", "6000", "heartbeat.interval.ms", "500"));
        }
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }

    static String[] with(String[] settings, String... more) {
        List<String> all = new ArrayList<>(List.of(settings));
        all.addAll(List.of(more));
        return all.toArray(new String[0]);
    }

    private static Member join(Cluster cluster, String topic, String[] settings, String... more) {
        return new Member(cluster, List.of(topic), with(settings, more));
    }

    static boolean half(Member first, Member second) {
        Set<String> all = new TreeSet<>(first.owned());
        all.addAll(second.owned());
        return all.size() == PARTITIONS && first.owned().size() == PARTITIONS / 2 && second.owned().size() == PARTITIONS / 2;
    }

    private static void share(Cluster cluster, String[] settings) throws Exception {
        String topic = cluster.topic(PARTITIONS);
        String group = Cluster.unique("g");
        try (Member first = join(cluster, topic, settings, "group.id", group)) {
            Expect.eventually("the first member owns everything", () -> first.owned().size() == PARTITIONS);
            try (Member second = join(cluster, topic, settings, "group.id", group)) {
                Expect.eventually("both own half", () -> half(first, second));
            }
            Expect.eventually("the first owns everything again", () -> first.owned().size() == PARTITIONS);
        }
    }

    private static void cooperative(Cluster cluster) throws Exception {
        String topic = cluster.topic(PARTITIONS);
        String strategy = CooperativeStickyAssignor.class.getName();
        String[] settings = settings("classic", "partition.assignment.strategy", strategy, "group.id", Cluster.unique("g"));
        try (Member first = join(cluster, topic, settings)) {
            Expect.eventually("the first member owns everything", () -> first.owned().size() == PARTITIONS);
            try (Member second = join(cluster, topic, settings)) {
                Expect.eventually("both own half", () -> half(first, second));
                Expect.equal(PARTITIONS / 2, first.revoked.get(), "partitions that were taken from the first");
            }
        }
    }

    private static void staticMember(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(PARTITIONS);
        String[] settings = settings(protocol, "group.id", Cluster.unique("g"));
        try (Member steady = join(cluster, topic, settings, "group.instance.id", "steady")) {
            Set<String> owned;
            int assigned;
            try (Member first = join(cluster, topic, settings, "group.instance.id", "back")) {
                Expect.eventually("both own half", () -> half(steady, first));
                owned = first.owned();
                assigned = steady.assigned.get();
            }
            try (Member second = join(cluster, topic, settings, "group.instance.id", "back")) {
                Expect.eventually("it has what it had", () -> second.owned().equals(owned));
                Thread.sleep(3000);
                Expect.equal(assigned, steady.assigned.get(), "assignments of the other member");
                Expect.isTrue(half(steady, second), "both own half");
            }
        }
    }

    /** A member past max.poll.interval.ms leaves and its partitions move; a classic one is told when it commits. */
    private static void silent(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(PARTITIONS);
        cluster.fill(topic, PARTITIONS, 4);
        String[] settings = settings(protocol, "group.id", Cluster.unique("g"));
        String[] impatient = with(settings, "max.poll.interval.ms", "7000");
        try (KafkaConsumer<String, String> silent = cluster.consumer(impatient)) {
            silent.subscribe(List.of(topic));
            Cluster.poll(silent, 4);
            try (Member other = join(cluster, topic, settings)) {
                Expect.eventually("the other member owns everything", () -> other.owned().size() == PARTITIONS);
                if (protocol.equals("consumer")) return;
                Expect.fails(CommitFailedException.class, () -> {
                    silent.commitSync();
                    return null;
                });
            }
        }
    }

    private static void newPartitions(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(1);
        String[] settings = settings(protocol, "group.id", Cluster.unique("g"), "metadata.max.age.ms", "500");
        try (Member member = join(cluster, topic, settings); Admin admin = cluster.admin()) {
            Expect.eventually("it owns one", () -> member.owned().size() == 1);
            Cluster.await(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
            Expect.eventually("it owns three", () -> member.owned().size() == 3);
        }
    }

    private static void handover(Cluster cluster, String protocol) throws Exception {
        String topic = cluster.topic(PARTITIONS);
        String[] settings = settings(protocol, "group.id", Cluster.unique("g"));
        List<String> read = new ArrayList<>();
        try (Member steady = join(cluster, topic, settings)) {
            for (int round = 0; round < 2; round++) {
                try (Member guest = join(cluster, topic, settings)) {
                    cluster.fill(topic, PARTITIONS, round * 200, 100);
                    Expect.eventually("both own half", () -> half(steady, guest));
                    cluster.fill(topic, PARTITIONS, round * 200 + 100, 100);
                    int expected = (round + 1) * 200;
                    Expect.eventually("all were read", () -> read.size() + steady.read.size() + guest.read.size() >= expected);
                    guest.close();
                    read.addAll(guest.read);
                }
            }
            Thread.sleep(500);
            read.addAll(steady.read);
        }
        Expect.equal(400, read.size(), "records read");
        Expect.equal(new HashSet<>(Cluster.values(0, 400)), new HashSet<>(read), "values");
    }

    private static void noCommonAssignor(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String[] settings = settings("classic", "group.id", Cluster.unique("g"));
        String[] other = with(settings, "partition.assignment.strategy", RoundRobinAssignor.class.getName());
        try (Member member = join(cluster, topic, settings, "partition.assignment.strategy", StickyAssignor.class.getName());
                KafkaConsumer<String, String> second = cluster.consumer(other)) {
            Expect.eventually("it owns one", () -> member.owned().size() == 1);
            second.subscribe(List.of(topic));
            Expect.fails(InconsistentGroupProtocolException.class, () -> Cluster.poll(second, 1));
        }
    }

    private static void nameInUse(Cluster cluster) throws Exception {
        String topic = cluster.topic(1);
        String[] settings = settings("consumer", "group.id", Cluster.unique("g"), "group.instance.id", "only-one");
        try (Member member = join(cluster, topic, settings); KafkaConsumer<String, String> second = cluster.consumer(settings)) {
            Expect.eventually("it owns one", () -> member.owned().size() == 1);
            second.subscribe(List.of(topic));
            Expect.fails(UnreleasedInstanceIdException.class, () -> Cluster.poll(second, 1));
            Expect.equal(1, member.owned().size(), "partitions of the first");
        } catch (FencedInstanceIdException fenced) {
            throw new AssertionError("the first member was fenced", fenced);
        }
    }

    private static void migrate(Cluster cluster) throws Exception {
        String topic = cluster.topic(PARTITIONS);
        String group = Cluster.unique("g");
        String[] classic = settings("classic", "group.id", group);
        String[] modern = settings("consumer", "group.id", group);
        Member old = join(cluster, topic, classic);
        Member young = null;
        try {
            Expect.eventually("the classic member owns everything", () -> old.owned().size() == PARTITIONS);
            young = join(cluster, topic, modern);
            Member joined = young;
            Expect.eventually("both own half", () -> half(old, joined));
            cluster.fill(topic, PARTITIONS, 40);
            Expect.eventually("all were read", () -> old.read.size() + joined.read.size() == 40);
            old.close();
            Expect.eventually("the new member owns everything", () -> joined.owned().size() == PARTITIONS);
            try (Member returned = join(cluster, topic, classic)) {
                Expect.eventually("both own half again", () -> half(returned, joined));
                joined.close();
                Expect.eventually("the classic member owns everything", () -> returned.owned().size() == PARTITIONS);
                cluster.fill(topic, PARTITIONS, 40, 40);
                Expect.eventually("the rest was read", () -> returned.read.containsAll(Cluster.values(40, 40)));
            }
        } finally {
            old.close();
            if (young != null) young.close();
        }
    }
}
