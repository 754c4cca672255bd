from concurrent.futures import ThreadPoolExecutor
from tests.test_callbacks import county
from tests.county import *
def test_try(county):
    bad=[]
    for _ in range(25):
        hs=[county.handoff(county.ask("temp_aid_fast"), TOWNSHIP) for _ in range(2)]
        body=a_callback("received"); h=signed(county.secrets[TOWNSHIP],body)
        with ThreadPoolExecutor(2) as t:
            a=list(t.map(lambda x: county.send(x,body,h), hs))
        bad.append(tuple(sorted(x.status_code for x in a)))
    print(set(bad))
    assert set(bad)=={(200,409)}, bad
