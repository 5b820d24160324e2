import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Kafka's tools one after the other in one process, since a hundred starts of a JVM would take
 * longer than what they do. A line {"main", "args", "input"} asks, a line {"status", "stdout", "stderr"} answers.
 *
 * Tools that end through System.exit cannot run here.
 */
public final class ToolHost {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Queue<Runnable> shutdownHooks = new ConcurrentLinkedQueue<>();
    private static volatile CompletableFuture<Integer> status;

    private ToolHost() {}

    public static void main(String[] ignored) throws Exception {
        PrintStream answers = System.out;
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        // A tool that exits must not see its own exit as an error, so its thread stops there and is left behind.
        Exit.setExitProcedure((code, message) -> stop(code));
        Exit.setHaltProcedure((code, message) -> stop(code));
        Exit.setShutdownHookAdder((name, action) -> shutdownHooks.add(action));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(JSON.writeValueAsString(run(JSON.readTree(line))));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void stop(int code) {
        runShutdownHooks();
        status.complete(code);
        try {
            new CountDownLatch(1).await();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Some tools send the last of what they were given only there. */
    private static void runShutdownHooks() {
        for (Runnable hook = shutdownHooks.poll(); hook != null; hook = shutdownHooks.poll()) hook.run();
    }

    private static Map<String, Object> run(JsonNode request) throws Exception {
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        System.setOut(new PrintStream(stdout, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(stderr, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(request.path("input").asText().getBytes(StandardCharsets.UTF_8)));
        String[] args = JSON.convertValue(request.get("args"), String[].class);
        CompletableFuture<Integer> ended = new CompletableFuture<>();
        status = ended;
        Thread tool = new Thread(() -> ended.complete(call(request.get("main").asText(), args)), "tool");
        tool.setDaemon(true);
        tool.start();
        return Map.of("status", ended.get(), "stdout", stdout.toString(StandardCharsets.UTF_8),
                "stderr", stderr.toString(StandardCharsets.UTF_8));
    }

    private static int call(String main, String[] args) {
        try {
            Class.forName(main).getMethod("main", String[].class).invoke(null, (Object) args);
            runShutdownHooks();
            return 0;
        } catch (InvocationTargetException failed) {
            failed.getCause().printStackTrace();
            return 1;
        } catch (ReflectiveOperationException absent) {
            System.err.println("no such tool: " + absent);
            return 127;
        }
    }
}
