import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** `java WordFeed BOOTSTRAP TOPIC LINES PER-SECOND` sends lines of three words out of thirty, and says how far it is. */
public final class WordFeed {
    private WordFeed() {}

    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "linger.ms", "5");
        int lines = Integer.parseInt(args[2]);
        int perSecond = Integer.parseInt(args[3]);
        long start = System.nanoTime();
        StringSerializer strings = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, strings, strings)) {
            for (int i = 0; i < lines; i++) {
                long ahead = i * 1000L / perSecond - (System.nanoTime() - start) / 1_000_000;
                if (ahead > 0) Thread.sleep(ahead);
                String line = "word" + i % 10 + " Word" + (10 + i % 10) + " WORD" + (20 + i % 10);
                producer.send(new ProducerRecord<>(args[1], "line" + i, line), (sent, error) -> {
                    if (error != null) error.printStackTrace();
                });
                if (i % 100 == 99) System.out.println("sent " + (i + 1));
            }
        }
        System.out.println("sent all");
    }
}
