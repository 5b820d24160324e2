// sarama against the broker that the first argument names.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"conformance/checks"

	"github.com/IBM/sarama"
)

var bootstrap = []string{os.Args[1]}

const patience = 40 * time.Second

func settings(change ...func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	config.Metadata.Retry.Max = 20
	for _, each := range change {
		each(config)
	}
	return config
}

func admin(work func(sarama.ClusterAdmin) error) error {
	made, err := sarama.NewClusterAdmin(bootstrap, settings())
	if err != nil {
		return err
	}
	defer made.Close()
	return work(made)
}

func create(partitions int32) string {
	topic := checks.Unique("sarama")
	err := admin(func(a sarama.ClusterAdmin) error {
		return a.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
	})
	if err != nil {
		panic(err)
	}
	return topic
}

func numbers(count int) []string {
	made := make([]string, count)
	for i := range made {
		made[i] = strconv.Itoa(i)
	}
	return made
}

func messages(topic string, partition int32, values []string) []*sarama.ProducerMessage {
	made := make([]*sarama.ProducerMessage, len(values))
	for i, value := range values {
		made[i] = &sarama.ProducerMessage{
			Topic: topic, Partition: partition, Value: sarama.StringEncoder(value),
			Headers: []sarama.RecordHeader{{Key: []byte("origin"), Value: []byte("conformance")}},
		}
	}
	return made
}

func produce(topic string, partition int32, values []string, change ...func(*sarama.Config)) error {
	producer, err := sarama.NewSyncProducer(bootstrap, settings(change...))
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.SendMessages(messages(topic, partition, values))
}

func expect(topic string, partition int32, wanted []string, change ...func(*sarama.Config)) error {
	consumer, err := sarama.NewConsumer(bootstrap, settings(change...))
	if err != nil {
		return err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, 0)
	if err != nil {
		return err
	}
	defer reader.Close()
	var found []string
	for len(found) < len(wanted) {
		select {
		case message := <-reader.Messages():
			found = append(found, string(message.Value))
		case <-time.After(20 * time.Second):
			return fmt.Errorf("read %d of %d", len(found), len(wanted))
		}
	}
	return checks.Equal("what was read", found, wanted)
}

func topics() error {
	topic := create(3)
	return admin(func(a sarama.ClusterAdmin) error {
		if err := a.CreatePartitions(topic, 5, nil, false); err != nil {
			return err
		}
		err := checks.Eventually("it has 5 partitions", patience, func() bool {
			described, err := a.DescribeTopics([]string{topic})
			return err == nil && len(described[0].Partitions) == 5
		})
		return checks.First(err, a.DeleteTopic(topic))
	})
}

func cluster() error {
	return admin(func(a sarama.ClusterAdmin) error {
		brokers, _, err := a.DescribeCluster()
		if err != nil {
			return err
		}
		_, err = a.DescribeLogDirs([]int32{brokers[0].ID()})
		return err
	})
}

func codec(name string) func() error {
	ids := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	return func() error {
		topic, sent := create(1), numbers(200)
		return checks.First(
			produce(topic, 0, sent, func(c *sarama.Config) { c.Producer.Compression = ids[name] }),
			expect(topic, 0, sent),
		)
	}
}

func idempotently(c *sarama.Config) {
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
}

func idempotent() error {
	topic, sent := create(1), numbers(500)
	return checks.First(produce(topic, 0, sent, idempotently), expect(topic, 0, sent))
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
	client, err := sarama.NewClient(bootstrap, settings())
	if err != nil {
		return err
	}
	defer client.Close()
	at, err := client.GetOffset(topic, 0, between)
	if err = checks.First(err, checks.Equal("offset by time", at, 1)); err != nil {
		return err
	}
	end, err := client.GetOffset(topic, 0, sarama.OffsetNewest)
	return checks.First(err, checks.Equal("end", end, 2))
}

// A member of a group that notes what it owns and hands on what it reads.
type member struct {
	sarama.ConsumerGroup
	guard  sync.Mutex
	owned  int
	read   chan *sarama.ConsumerMessage
	commit bool
	done   context.CancelFunc
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.guard.Lock()
	defer m.guard.Unlock()
	m.owned = 0
	for _, partitions := range session.Claims() {
		m.owned += len(partitions)
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			select {
			case m.read <- message:
				session.MarkMessage(message, "")
				if m.commit {
					session.Commit()
				}
			case <-session.Context().Done():
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) owns(count int) func() bool {
	return func() bool {
		m.guard.Lock()
		defer m.guard.Unlock()
		return m.owned == count
	}
}

func join(group, topic string, change ...func(*sarama.Config)) (*member, error) {
	joined, err := sarama.NewConsumerGroup(bootstrap, group, settings(change...))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{ConsumerGroup: joined, read: make(chan *sarama.ConsumerMessage), commit: true, done: cancel}
	go func() {
		for ctx.Err() == nil {
			if joined.Consume(ctx, []string{topic}, m) != nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m, nil
}

func (m *member) leave() {
	m.done()
	_ = m.Close()
}

func (m *member) take(count int) ([]string, error) {
	var found []string
	for len(found) < count {
		select {
		case message := <-m.read:
			found = append(found, string(message.Value))
		case <-time.After(patience):
			return found, fmt.Errorf("read %d of %d", len(found), count)
		}
	}
	// What was marked last is committed once the handler is back from handing it on.
	time.Sleep(300 * time.Millisecond)
	return found, nil
}

func resume() error {
	topic, group := create(1), checks.Unique("group")
	if err := produce(topic, 0, numbers(10)); err != nil {
		return err
	}
	for _, wanted := range [][]string{numbers(10)[:4], numbers(10)[4:]} {
		reader, err := join(group, topic)
		if err != nil {
			return err
		}
		found, err := reader.take(len(wanted))
		reader.leave()
		if err = checks.First(err, checks.Equal("what was read", found, wanted)); err != nil {
			return err
		}
	}
	return nil
}

func shared(change ...func(*sarama.Config)) error {
	topic, group := create(4), checks.Unique("group")
	first, err := join(group, topic, change...)
	if err != nil {
		return err
	}
	defer first.leave()
	if err := checks.Eventually("the first owns all", patience, first.owns(4)); err != nil {
		return err
	}
	second, err := join(group, topic, change...)
	if err != nil {
		return err
	}
	err = checks.Eventually("both own half", patience, func() bool { return first.owns(2)() && second.owns(2)() })
	second.leave()
	return checks.First(err, checks.Eventually("the first owns all again", patience, first.owns(4)))
}

func classicGroup() error {
	sticky := func(c *sarama.Config) {
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	}
	return checks.First(resume(), shared(), shared(sticky))
}

func staticMembership() error {
	topic, group := create(2), checks.Unique("group")
	named := func(c *sarama.Config) { c.Consumer.Group.InstanceId = "one" }
	first, err := join(group, topic, named)
	if err != nil {
		return err
	}
	defer first.leave()
	if err := checks.Eventually("it owns both", patience, first.owns(2)); err != nil {
		return err
	}
	again, err := join(group, topic, named)
	if err != nil {
		return err
	}
	defer again.leave()
	return checks.Eventually("the one that came back owns both", patience, again.owns(2))
}

func newerGroup() error {
	return fmt.Errorf("%w: sarama speaks the classic protocol only", checks.ErrNotOffered)
}

func transactional(id string) (sarama.SyncProducer, error) {
	return sarama.NewSyncProducer(bootstrap, settings(idempotently, func(c *sarama.Config) {
		c.Producer.Transaction.ID = id
	}))
}

func isolated(level sarama.IsolationLevel) func(*sarama.Config) {
	return func(c *sarama.Config) { c.Consumer.IsolationLevel = level }
}

func transactions() error {
	topic := create(2)
	producer, err := transactional(checks.Unique("tx"))
	if err != nil {
		return err
	}
	defer producer.Close()
	for _, value := range []string{"c1", "a1", "c2"} {
		err := producer.BeginTxn()
		for partition := int32(0); partition < 2; partition++ {
			err = checks.First(err, producer.SendMessages(messages(topic, partition, []string{value})))
		}
		if value == "a1" {
			err = checks.First(err, producer.AbortTxn())
		} else {
			err = checks.First(err, producer.CommitTxn())
		}
		if err != nil {
			return err
		}
	}
	for partition := int32(0); partition < 2; partition++ {
		err := checks.First(
			expect(topic, partition, []string{"c1", "c2"}, isolated(sarama.ReadCommitted)),
			expect(topic, partition, []string{"c1", "a1", "c2"}, isolated(sarama.ReadUncommitted)),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func fencing() error {
	topic, id := create(1), checks.Unique("tx")
	old, err := transactional(id)
	if err != nil {
		return err
	}
	defer old.Close()
	err = checks.First(old.BeginTxn(), old.SendMessages(messages(topic, 0, []string{"zombie"})))
	if err != nil {
		return err
	}
	heir, err := transactional(id)
	if err != nil {
		return err
	}
	defer heir.Close()
	if old.CommitTxn() == nil {
		return errors.New("a zombie committed")
	}
	return checks.First(
		heir.BeginTxn(), heir.SendMessages(messages(topic, 0, []string{"heir"})), heir.CommitTxn(),
		expect(topic, 0, []string{"heir"}, isolated(sarama.ReadCommitted)),
	)
}

func offsetsInTransactions() error {
	source, target, group := create(1), create(1), checks.Unique("group")
	producer, err := transactional(checks.Unique("tx"))
	if err != nil {
		return err
	}
	defer producer.Close()
	meta := ""
	for _, commit := range []bool{false, true} {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{source: {{Partition: 0, Offset: 6, Metadata: &meta}}}
		err := checks.First(
			producer.BeginTxn(), producer.SendMessages(messages(target, 0, numbers(6))),
			producer.AddOffsetsToTxn(offsets, group),
		)
		if commit {
			err = checks.First(err, producer.CommitTxn())
		} else {
			err = checks.First(err, producer.AbortTxn())
		}
		if err != nil {
			return err
		}
		wanted := int64(-1)
		if commit {
			wanted = 6
		}
		// The transaction is decided when it is answered; the group hears of it a moment later.
		err = checks.Eventually(fmt.Sprintf("the committed offset is %d", wanted), patience, func() bool {
			var at int64
			failed := admin(func(a sarama.ClusterAdmin) error {
				found, err := a.ListConsumerGroupOffsets(group, map[string][]int32{source: {0}})
				at = found.GetBlock(source, 0).Offset
				return err
			})
			return failed == nil && at == wanted
		})
		if err != nil {
			return err
		}
	}
	return expect(target, 0, numbers(6), isolated(sarama.ReadCommitted))
}

func configs() error {
	topic, value := create(1), "1000000"
	return admin(func(a sarama.ClusterAdmin) error {
		entries := map[string]sarama.IncrementalAlterConfigsEntry{
			"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
		}
		if err := a.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false); err != nil {
			return err
		}
		return checks.Eventually("retention.ms is shown", patience, func() bool {
			shown, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
			if err != nil {
				return false
			}
			for _, entry := range shown {
				if entry.Name == "retention.ms" && entry.Value == value {
					return true
				}
			}
			return false
		})
	})
}

func deleteRecords() error {
	topic := create(1)
	if err := produce(topic, 0, numbers(10)); err != nil {
		return err
	}
	err := admin(func(a sarama.ClusterAdmin) error { return a.DeleteRecords(topic, map[int32]int64{0: 4}) })
	if err != nil {
		return err
	}
	client, err := sarama.NewClient(bootstrap, settings())
	if err != nil {
		return err
	}
	defer client.Close()
	start, err := client.GetOffset(topic, 0, sarama.OffsetOldest)
	return checks.First(err, checks.Equal("start", start, 4))
}

func groupAdministration() error {
	topic, group := create(1), checks.Unique("group")
	if err := produce(topic, 0, numbers(2)); err != nil {
		return err
	}
	reader, err := join(group, topic)
	if err != nil {
		return err
	}
	_, err = reader.take(2)
	err = checks.First(err, admin(func(a sarama.ClusterAdmin) error {
		listed, err := a.ListConsumerGroups()
		if _, found := listed[group]; !found {
			return checks.First(err, errors.New("the group is not listed"))
		}
		described, err := a.DescribeConsumerGroups([]string{group})
		return checks.First(err, checks.Equal("members", len(described[0].Members), 1))
	}))
	reader.leave()
	return checks.First(err, admin(func(a sarama.ClusterAdmin) error { return a.DeleteConsumerGroup(group) }))
}

func electionsAndMoves() error {
	topic := create(1)
	return admin(func(a sarama.ClusterAdmin) error {
		brokers, _, err := a.DescribeCluster()
		if err != nil {
			return err
		}
		if err := a.AlterPartitionReassignments(topic, [][]int32{{brokers[0].ID()}}); err != nil {
			return err
		}
		under, err := a.ListPartitionReassignments(topic, []int32{0})
		if err = checks.First(err, checks.Equal("moves", len(under[topic]), 0)); err != nil {
			return err
		}
		_, err = a.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}})
		return err
	})
}

func quotas() error {
	id := checks.Unique("client")
	return admin(func(a sarama.ClusterAdmin) error {
		entity := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Name: id}}
		if err := a.AlterClientQuotas(entity, sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 1e6}, false); err != nil {
			return err
		}
		filter := []sarama.QuotaFilterComponent{{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Match: id}}
		return checks.Eventually("the quota is shown", patience, func() bool {
			described, err := a.DescribeClientQuotas(filter, true)
			return err == nil && len(described) == 1 && described[0].Values["producer_byte_rate"] == 1e6
		})
	})
}

func main() {
	all := []checks.Check{{Feature: "topics", Run: topics}, {Feature: "cluster", Run: cluster}}
	for _, name := range checks.Codecs {
		all = append(all, checks.Check{Feature: "codec " + name, Run: codec(name)})
	}
	checks.Run("sarama", checks.Version("github.com/IBM/sarama"), append(all, []checks.Check{
		{Feature: "idempotent producer", Run: idempotent},
		{Feature: "offsets by time", Run: offsetsByTime},
		{Feature: "classic group", Run: classicGroup},
		{Feature: "static membership", Run: staticMembership},
		{Feature: "consumer group (KIP-848)", Run: newerGroup},
		{Feature: "transactions", Run: transactions},
		{Feature: "fencing", Run: fencing},
		{Feature: "offsets in transactions", Run: offsetsInTransactions},
		{Feature: "configs", Run: configs},
		{Feature: "delete records", Run: deleteRecords},
		{Feature: "group administration", Run: groupAdministration},
		{Feature: "elections and reassignments", Run: electionsAndMoves},
		{Feature: "quotas", Run: quotas},
	}...))
}
