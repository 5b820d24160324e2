import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Predicate;

/** What checks assert, and waits with an end. */
final class Expect {
    static final long WAIT_MS = 45_000;

    /** A condition that is looked at again and again. */
    interface Condition {
        boolean holds() throws Exception;
    }

    private Expect() {}

    static void equal(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) throw new AssertionError(what + ": expected " + expected + ", got " + actual);
    }

    static void isTrue(boolean condition, String what) {
        if (!condition) throw new AssertionError(what);
    }

    static void eventually(String what, Condition condition) throws Exception {
        within(WAIT_MS, what, condition);
    }

    static void within(long limitMs, String what, Condition condition) throws Exception {
        long deadline = System.currentTimeMillis() + limitMs;
        while (!condition.holds()) {
            if (System.currentTimeMillis() > deadline) throw new AssertionError("not within " + limitMs + " ms: " + what);
            Thread.sleep(50);
        }
    }

    /** Fails unless the action throws `type`, bare or as the cause of another exception. */
    static <T extends Throwable> T fails(Class<T> type, Callable<?> action) throws Exception {
        return fails(type, error -> true, action);
    }

    static <T extends Throwable> T fails(Class<T> type, Predicate<T> matches, Callable<?> action) throws Exception {
        try {
            action.call();
        } catch (Exception error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                if (type.isInstance(cause) && matches.test(type.cast(cause))) return type.cast(cause);
            }
            throw new AssertionError("expected " + type.getSimpleName() + ", got " + error, error);
        }
        throw new AssertionError("expected " + type.getSimpleName() + ", nothing was thrown");
    }
}
