"""`python -m polku_referral api | worker | all | xroad`"""

from polku_referral.app import SERVICE, create_api, create_worker
from polku_referral.settings import ReferralSettings
from polku_referral.xroad.listener import create_server
from polku_runtime.process import main
from polku_web.live import end_streams

if __name__ == "__main__":
    main(SERVICE, ReferralSettings, create_api, create_worker, end_streams, {"xroad": create_server})
