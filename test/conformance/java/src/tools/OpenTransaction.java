import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** `java OpenTransaction BOOTSTRAP TRANSACTIONAL-ID TOPIC` leaves a transaction with one record open until it is killed. */
public final class OpenTransaction {
    private OpenTransaction() {}

    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "transactional.id", args[1], "max.block.ms", "30000");
        KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(args[2], 0, "k", "v")).get();
        System.out.println("open");
        Thread.currentThread().join();
    }
}
