// franz-go against the broker that the first argument names.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"conformance/checks"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var bootstrap = os.Args[1]

const patience = 40 * time.Second

func client(options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(20 * time.Second),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}
	made, err := kgo.NewClient(append(base, options...)...)
	if err != nil {
		panic(err)
	}
	return made
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func admin(work func(context.Context, *kadm.Client) error) error {
	ctx, cancel := limited()
	defer cancel()
	made := kadm.NewClient(client())
	defer made.Close()
	return work(ctx, made)
}

func create(partitions int32) string {
	topic := checks.Unique("franz")
	err := admin(func(ctx context.Context, a *kadm.Client) error {
		made, err := a.CreateTopic(ctx, partitions, 1, nil, topic)
		return checks.First(err, made.Err)
	})
	if err != nil {
		panic(err)
	}
	return topic
}

func records(topic string, partition int32, values ...string) []*kgo.Record {
	made := make([]*kgo.Record, len(values))
	for i, value := range values {
		made[i] = &kgo.Record{
			Topic: topic, Partition: partition, Value: []byte(value),
			Headers: []kgo.RecordHeader{{Key: "origin", Value: []byte("conformance")}},
		}
	}
	return made
}

func numbers(count int) []string {
	made := make([]string, count)
	for i := range made {
		made[i] = strconv.Itoa(i)
	}
	return made
}

func produce(topic string, partition int32, values []string, options ...kgo.Opt) error {
	ctx, cancel := limited()
	defer cancel()
	producer := client(options...)
	defer producer.Close()
	return producer.ProduceSync(ctx, records(topic, partition, values...)...).FirstErr()
}

func poll(reader *kgo.Client, count int) ([]string, error) {
	ctx, cancel := limited()
	defer cancel()
	var found []string
	for len(found) < count {
		fetches := reader.PollRecords(ctx, count-len(found))
		if err := fetches.Err(); err != nil {
			return found, fmt.Errorf("read %d of %d: %w", len(found), count, err)
		}
		fetches.EachRecord(func(record *kgo.Record) { found = append(found, string(record.Value)) })
	}
	return found, nil
}

func read(topic string, partition int32, count int, options ...kgo.Opt) ([]string, error) {
	from := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	reader := client(append(options, kgo.ConsumePartitions(from))...)
	defer reader.Close()
	return poll(reader, count)
}

func expect(topic string, partition int32, wanted []string, options ...kgo.Opt) error {
	found, err := read(topic, partition, len(wanted), options...)
	return checks.First(err, checks.Equal("what was read", found, wanted))
}

func topics() error {
	topic := create(3)
	return admin(func(ctx context.Context, a *kadm.Client) error {
		if _, err := a.UpdatePartitions(ctx, 5, topic); err != nil {
			return err
		}
		listed, err := a.ListTopics(ctx, topic)
		if err = checks.First(err, checks.Equal("partitions", len(listed[topic].Partitions), 5)); err != nil {
			return err
		}
		deleted, err := a.DeleteTopic(ctx, topic)
		return checks.First(err, deleted.Err)
	})
}

func cluster() error {
	return admin(func(ctx context.Context, a *kadm.Client) error {
		if _, err := a.BrokerMetadata(ctx); err != nil {
			return err
		}
		_, err := a.DescribeAllLogDirs(ctx, nil)
		return err
	})
}

func codec(name string) func() error {
	options := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	return func() error {
		topic, sent := create(1), numbers(200)
		return checks.First(
			produce(topic, 0, sent, kgo.ProducerBatchCompression(options[name]), kgo.ProducerLinger(20*time.Millisecond)),
			expect(topic, 0, sent),
		)
	}
}

func idempotent() error {
	topic, sent := create(1), numbers(500)
	return checks.First(produce(topic, 0, sent), expect(topic, 0, sent))
}

func offsetsByTime() error {
	topic := create(1)
	if err := produce(topic, 0, []string{"a"}); err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	between := time.Now().UnixMilli()
	time.Sleep(50 * time.Millisecond)
	if err := produce(topic, 0, []string{"b"}); err != nil {
		return err
	}
	return admin(func(ctx context.Context, a *kadm.Client) error {
		found, err := a.ListOffsetsAfterMilli(ctx, between, topic)
		if err != nil {
			return err
		}
		at, _ := found.Lookup(topic, 0)
		ends, err := a.ListEndOffsets(ctx, topic)
		end, _ := ends.Lookup(topic, 0)
		return checks.First(err, checks.Equal("offset by time", at.Offset, 1), checks.Equal("end", end.Offset, 2))
	})
}

func member(group, topic string, options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
	}
	return client(append(base, options...)...)
}

// Members of groups, which count what they own.
type sharer struct {
	*kgo.Client
	owned map[int32]bool
	done  context.CancelFunc
}

func join(group, topic string, options ...kgo.Opt) *sharer {
	owner := &sharer{owned: map[int32]bool{}}
	guard := make(chan struct{}, 1)
	note := func(owned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			guard <- struct{}{}
			for _, index := range partitions[topic] {
				if owned {
					owner.owned[index] = true
				} else {
					delete(owner.owned, index)
				}
			}
			<-guard
		}
	}
	options = append(options, kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)), kgo.OnPartitionsLost(note(false)))
	owner.Client = member(group, topic, options...)
	ctx, cancel := context.WithCancel(context.Background())
	owner.done = cancel
	go func() {
		for ctx.Err() == nil {
			owner.PollFetches(ctx)
		}
	}()
	return owner
}

func (owner *sharer) leave() {
	owner.done()
	owner.Close()
}

func resume(options ...kgo.Opt) error {
	topic, group := create(1), checks.Unique("group")
	if err := produce(topic, 0, numbers(10)); err != nil {
		return err
	}
	for _, wanted := range [][]string{numbers(10)[:4], numbers(10)[4:]} {
		reader := member(group, topic, options...)
		ctx, cancel := limited()
		found, err := poll(reader, len(wanted))
		at, _ := strconv.ParseInt(wanted[len(wanted)-1], 10, 64)
		offsets := map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: at + 1}}}
		var refused error
		reader.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
			refused = err
		})
		cancel()
		reader.Close()
		if err := checks.First(err, refused, checks.Equal("what was read", found, wanted)); err != nil {
			return err
		}
	}
	return nil
}

func shared(options ...kgo.Opt) error {
	topic, group := create(4), checks.Unique("group")
	first := join(group, topic, options...)
	defer first.leave()
	if err := checks.Eventually("the first owns all", patience, func() bool { return len(first.owned) == 4 }); err != nil {
		return err
	}
	second := join(group, topic, options...)
	err := checks.Eventually("both own half", patience, func() bool { return len(first.owned) == 2 && len(second.owned) == 2 })
	second.leave()
	return checks.First(
		err,
		checks.Eventually("the first owns all again", patience, func() bool { return len(first.owned) == 4 }),
	)
}

func classicGroup() error {
	return checks.First(resume(), shared(kgo.Balancers(kgo.RangeBalancer())))
}

func cooperative() error {
	return shared(kgo.Balancers(kgo.CooperativeStickyBalancer()))
}

func staticMembership() error {
	topic, group := create(2), checks.Unique("group")
	first := join(group, topic, kgo.InstanceID("one"))
	defer first.leave()
	if err := checks.Eventually("it owns both", patience, func() bool { return len(first.owned) == 2 }); err != nil {
		return err
	}
	again := join(group, topic, kgo.InstanceID("one"))
	defer again.leave()
	return checks.Eventually("the one that came back owns both", patience, func() bool { return len(again.owned) == 2 })
}

func consumerGroup() error {
	return checks.First(
		resume(kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())),
		shared(kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())),
	)
}

// Every record is accepted, but for one that comes again because it was released, and one that is rejected.
func shareGroup() error {
	topic, group := create(2), checks.Unique("share")
	err := admin(func(ctx context.Context, a *kadm.Client) error {
		request := kmsg.NewPtrIncrementalAlterConfigsRequest()
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
		resource.Configs = append(resource.Configs, config)
		request.Resources = append(request.Resources, resource)
		seed := client()
		defer seed.Close()
		answer, err := request.RequestWith(ctx, seed)
		return checks.First(err, kerr.ErrorForCode(answer.Resources[0].ErrorCode))
	})
	err = checks.First(err, produce(topic, 0, numbers(10)), produce(topic, 1, numbers(10)))
	if err != nil {
		return err
	}
	reader := client(kgo.ShareGroup(group), kgo.ConsumeTopics(topic))
	defer reader.Close()
	ctx, cancel := limited()
	defer cancel()
	delivered := map[string]int{}
	for again := false; (len(delivered) < 20 || !again) && ctx.Err() == nil; {
		reader.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			place := fmt.Sprintf("%d %d", record.Partition, record.Offset)
			delivered[place]++
			switch {
			case place == "0 3" && delivered[place] == 1:
				record.Ack(kgo.AckRelease)
			case place == "1 4":
				record.Ack(kgo.AckReject)
			default:
				record.Ack(kgo.AckAccept)
			}
			again = again || delivered[place] > 1
		})
	}
	return checks.First(
		checks.Equal("records delivered", len(delivered), 20),
		checks.Equal("deliveries of what was released", delivered["0 3"], 2),
		checks.Equal("deliveries of what was rejected", delivered["1 4"], 1),
	)
}

func transactions() error {
	topic := create(2)
	producer := client(kgo.TransactionalID(checks.Unique("tx")))
	defer producer.Close()
	for _, step := range []struct {
		value  string
		commit kgo.TransactionEndTry
	}{{"c1", kgo.TryCommit}, {"a1", kgo.TryAbort}, {"c2", kgo.TryCommit}} {
		ctx, cancel := limited()
		err := producer.BeginTransaction()
		for partition := int32(0); partition < 2; partition++ {
			err = checks.First(err, producer.ProduceSync(ctx, records(topic, partition, step.value)...).FirstErr())
		}
		err = checks.First(err, producer.EndTransaction(ctx, step.commit))
		cancel()
		if err != nil {
			return err
		}
	}
	for partition := int32(0); partition < 2; partition++ {
		err := checks.First(
			expect(topic, partition, []string{"c1", "c2"}, kgo.FetchIsolationLevel(kgo.ReadCommitted())),
			expect(topic, partition, []string{"c1", "a1", "c2"}, kgo.FetchIsolationLevel(kgo.ReadUncommitted())),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func fencing() error {
	ctx, cancel := limited()
	defer cancel()
	topic, id := create(1), checks.Unique("tx")
	old, heir := client(kgo.TransactionalID(id)), client(kgo.TransactionalID(id))
	defer old.Close()
	defer heir.Close()
	err := checks.First(old.BeginTransaction(), old.ProduceSync(ctx, records(topic, 0, "zombie")...).FirstErr())
	err = checks.First(err, heir.BeginTransaction(), heir.ProduceSync(ctx, records(topic, 0, "heir")...).FirstErr())
	if err != nil {
		return err
	}
	refused := old.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(refused, kerr.ProducerFenced) && !errors.Is(refused, kerr.InvalidProducerEpoch) {
		return fmt.Errorf("a zombie was answered %v", refused)
	}
	return checks.First(
		heir.EndTransaction(ctx, kgo.TryCommit),
		expect(topic, 0, []string{"heir"}, kgo.FetchIsolationLevel(kgo.ReadCommitted())),
	)
}

func offsetsInTransactions() error {
	source, target, group := create(1), create(1), checks.Unique("group")
	if err := produce(source, 0, numbers(6)); err != nil {
		return err
	}
	for _, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		session, err := kgo.NewGroupTransactSession(
			kgo.SeedBrokers(bootstrap), kgo.TransactionalID(checks.Unique("tx")), kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(source), kgo.RequireStableFetchOffsets(), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		)
		if err != nil {
			return err
		}
		ctx, cancel := limited()
		var found []*kgo.Record
		for len(found) < 6 && ctx.Err() == nil {
			session.PollFetches(ctx).EachRecord(func(record *kgo.Record) { found = append(found, record) })
		}
		err = session.Begin()
		for _, record := range found {
			err = checks.First(err, session.ProduceSync(ctx, records(target, 0, string(record.Value))...).FirstErr())
		}
		committed, ended := session.End(ctx, commit)
		cancel()
		session.Close()
		if err = checks.First(err, ended, checks.Equal("committed", committed, bool(commit))); err != nil {
			return err
		}
	}
	return checks.First(
		expect(target, 0, numbers(6), kgo.FetchIsolationLevel(kgo.ReadCommitted())),
		admin(func(ctx context.Context, a *kadm.Client) error {
			offsets, err := a.FetchOffsets(ctx, group)
			at, _ := offsets.Lookup(source, 0)
			return checks.First(err, checks.Equal("committed offset", at.At, 6))
		}),
	)
}

func transactionAdministration() error {
	ctx, cancel := limited()
	defer cancel()
	topic, id := create(1), checks.Unique("tx")
	producer := client(kgo.TransactionalID(id))
	defer producer.Close()
	err := checks.First(producer.BeginTransaction(), producer.ProduceSync(ctx, records(topic, 0, "open")...).FirstErr())
	if err != nil {
		return err
	}
	err = admin(func(ctx context.Context, a *kadm.Client) error {
		listed, err := a.ListTransactions(ctx, nil, []string{"Ongoing"})
		if err = checks.First(err, checks.Equal("the state", listed[id].State, "Ongoing")); err != nil {
			return err
		}
		described, err := a.DescribeTransactions(ctx, id)
		if err != nil {
			return err
		}
		if err = checks.Equal("the state", described[id].State, "Ongoing"); err != nil {
			return err
		}
		active, err := a.DescribeProducers(ctx, kadm.TopicsSet{topic: {0: {}}})
		return checks.First(err, checks.Equal("producers", len(active.SortedProducers()), 1))
	})
	return checks.First(err, producer.EndTransaction(ctx, kgo.TryAbort))
}

func configs() error {
	topic := create(1)
	return admin(func(ctx context.Context, a *kadm.Client) error {
		value := "1000000"
		altered, err := a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic)
		if err = checks.First(err, altered[0].Err); err != nil {
			return err
		}
		shown, err := a.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return err
		}
		for _, config := range shown[0].Configs {
			if config.Key == "retention.ms" {
				return checks.Equal("retention.ms", config.MaybeValue(), value)
			}
		}
		return errors.New("retention.ms is not shown")
	})
}

func deleteRecords() error {
	topic := create(1)
	if err := produce(topic, 0, numbers(10)); err != nil {
		return err
	}
	return admin(func(ctx context.Context, a *kadm.Client) error {
		var offsets kadm.Offsets
		offsets.AddOffset(topic, 0, 4, -1)
		deleted, err := a.DeleteRecords(ctx, offsets)
		at, _ := deleted.Lookup(topic, 0)
		return checks.First(err, at.Err, checks.Equal("low watermark", at.LowWatermark, 4))
	})
}

func groupAdministration() error {
	topic, group := create(1), checks.Unique("group")
	if err := produce(topic, 0, numbers(2)); err != nil {
		return err
	}
	reader := member(group, topic)
	_, err := poll(reader, 2)
	ctx, cancel := limited()
	defer cancel()
	err = checks.First(err, reader.CommitUncommittedOffsets(ctx))
	if err != nil {
		return err
	}
	return admin(func(ctx context.Context, a *kadm.Client) error {
		listed, err := a.ListGroups(ctx)
		if err = checks.First(err, checks.Equal("the listed group", listed[group].Group, group)); err != nil {
			return err
		}
		described, err := a.DescribeGroups(ctx, group)
		if err = checks.First(err, checks.Equal("members", len(described[group].Members), 1)); err != nil {
			return err
		}
		reader.Close()
		lag, err := a.Lag(ctx, group)
		if err = checks.First(err, checks.Equal("lag", lag[group].Lag.Total(), 0)); err != nil {
			return err
		}
		deleted, err := a.DeleteGroup(ctx, group)
		return checks.First(err, deleted.Err)
	})
}

func electionsAndMoves() error {
	topic := create(1)
	return admin(func(ctx context.Context, a *kadm.Client) error {
		brokers, err := a.ListBrokers(ctx)
		if err != nil {
			return err
		}
		var moves kadm.AlterPartitionAssignmentsReq
		moves.Assign(topic, 0, brokers.NodeIDs()[:1])
		moved, err := a.AlterPartitionAssignments(ctx, moves)
		if err = checks.First(err, moved.Error()); err != nil {
			return err
		}
		under, err := a.ListPartitionReassignments(ctx, nil)
		if err = checks.First(err, checks.Equal("moves", len(under), 0)); err != nil {
			return err
		}
		_, err = a.ElectLeaders(ctx, kadm.ElectPreferredReplica, kadm.TopicsSet{topic: {0: {}}})
		return err
	})
}

func quotas() error {
	id := checks.Unique("client")
	return admin(func(ctx context.Context, a *kadm.Client) error {
		entity := kadm.ClientQuotaEntity{{Type: "client-id", Name: &id}}
		altered, err := a.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{
			{Entity: entity, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1e6}}},
		})
		if err = checks.First(err, altered[0].Err); err != nil {
			return err
		}
		return checks.Eventually("the quota is shown", patience, func() bool {
			described, err := a.DescribeClientQuotas(ctx, true, []kadm.DescribeClientQuotaComponent{
				{Type: "client-id", MatchName: &id, MatchType: 0},
			})
			return err == nil && len(described) == 1 && len(described[0].Values) == 1 && described[0].Values[0].Value == 1e6
		})
	})
}

func main() {
	all := []checks.Check{{Feature: "topics", Run: topics}, {Feature: "cluster", Run: cluster}}
	for _, name := range checks.Codecs {
		all = append(all, checks.Check{Feature: "codec " + name, Run: codec(name)})
	}
	checks.Run("franz-go", checks.Version("github.com/twmb/franz-go"), append(all, []checks.Check{
		{Feature: "idempotent producer", Run: idempotent},
		{Feature: "offsets by time", Run: offsetsByTime},
		{Feature: "classic group", Run: classicGroup},
		{Feature: "cooperative rebalance", Run: cooperative},
		{Feature: "static membership", Run: staticMembership},
		{Feature: "consumer group (KIP-848)", Run: consumerGroup},
		{Feature: "share group (KIP-932)", Run: shareGroup},
		{Feature: "transactions", Run: transactions},
		{Feature: "fencing", Run: fencing},
		{Feature: "offsets in transactions", Run: offsetsInTransactions},
		{Feature: "transaction administration", Run: transactionAdministration},
		{Feature: "configs", Run: configs},
		{Feature: "delete records", Run: deleteRecords},
		{Feature: "group administration", Run: groupAdministration},
		{Feature: "elections and reassignments", Run: electionsAndMoves},
		{Feature: "quotas", Run: quotas},
	}...))
}
