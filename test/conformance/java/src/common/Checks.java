import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;

/**
 * `java Checks BOOTSTRAP FILTER CLASS…` runs the named checks of each CLASS whose name contains FILTER, several at a time
 * because they mostly wait, and prints one line of JSON for each: {"feature", "result", "detail"}.
 *
 * It compiles against every client version that is tested; what only newer clients have stands in classes of their own.
 */
public final class Checks {
    static final int AT_ONCE = 4;
    static final int LIMIT_SECONDS = 100;
    static final int DETAIL_CHARACTERS_MAX = 400;

    /** A check; whatever it throws is its failure. */
    interface Body {
        void run() throws Exception;
    }

    /** A class of checks adds them here. */
    interface Source {
        void addTo(Checks checks, Cluster cluster);
    }

    private final Map<String, Body> bodies = new LinkedHashMap<>();
    private final PrintStream out = System.out;

    void add(String feature, Body body) {
        if (bodies.put(feature, body) != null) throw new IllegalArgumentException("two checks are named " + feature);
    }

    public static void main(String[] args) throws Exception {
        Cluster cluster = new Cluster(args[0]);
        Checks checks = new Checks();
        for (int i = 2; i < args.length; i++) {
            Source source = (Source) Class.forName(args[i]).getDeclaredConstructor().newInstance();
            source.addTo(checks, cluster);
        }
        checks.bodies.keySet().removeIf(feature -> !feature.contains(args[1]));
        checks.run();
        // Threads of clients whose check was given up must not keep the process.
        Runtime.getRuntime().halt(0);
    }

    private void run() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE);
        ExecutorService limited = Executors.newCachedThreadPool();
        List<Callable<Void>> tasks = new ArrayList<>();
        bodies.forEach((feature, body) -> tasks.add(() -> {
            report(feature, limited.submit(() -> {
                body.run();
                return null;
            }));
            return null;
        }));
        pool.invokeAll(tasks);
    }

    private void report(String feature, Future<?> running) throws InterruptedException {
        String result = "works";
        String detail = "";
        try {
            running.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            running.cancel(true);
            result = "fails";
            detail = "no end within " + LIMIT_SECONDS + " s";
        } catch (java.util.concurrent.ExecutionException failed) {
            Throwable cause = failed.getCause();
            result = isUnsupported(cause) ? "not offered" : "fails";
            detail = describe(cause);
        }
        synchronized (out) {
            out.printf("{\"feature\":%s,\"result\":\"%s\",\"detail\":%s}%n", json(feature), result, json(detail));
            out.flush();
        }
    }

    /** The client itself says so when the broker does not list the API. */
    private static boolean isUnsupported(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof UnsupportedVersionException) return true;
        }
        return false;
    }

    /** The chain of causes, and the line of the check where the first one came from. */
    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause != error && String.valueOf(error.getMessage()).contains(String.valueOf(cause.getMessage()))) continue;
            if (text.length() > 0) text.append(" <- ");
            text.append(cause.getClass().getSimpleName()).append(": ").append(cause.getMessage());
        }
        for (StackTraceElement frame : error.getStackTrace()) {
            String file = String.valueOf(frame.getFileName());
            if (!file.endsWith("Checks.java") || file.equals("Checks.java")) continue;
            text.append(" (").append(file).append(':').append(frame.getLineNumber()).append(')');
            break;
        }
        return text.length() > DETAIL_CHARACTERS_MAX ? text.substring(0, DETAIL_CHARACTERS_MAX) : text.toString();
    }

    private static String json(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') quoted.append('\\').append(c);
            else if (c < ' ') quoted.append(String.format("\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }
}
